/** A question before something that cannot be undone. */
export interface Question {
  readonly title: string;
  readonly text: string;
  /** What the button says that does it. */
  readonly action: string;
  /** What is lost cannot be had back. */
  readonly danger?: boolean;
}

class Asking {
  question = $state<Question>();
  #answer: (sure: boolean) => void = () => undefined;

  /** Whether they are sure. Closing the dialog is a no. */
  sure(question: Question): Promise<boolean> {
    this.answer(false);
    this.question = question;
    return new Promise((resolve) => (this.#answer = resolve));
  }

  answer(sure: boolean): void {
    this.question = undefined;
    this.#answer(sure);
  }
}

export const asking = new Asking();
