/** A field that is as tall as its text, also where CSS cannot do that yet. */

const NATIVE = CSS.supports("field-sizing", "content");

/** Svelte action for a textarea; give it the text, so that it hears of changes that nobody typed. */
export function grow(field: HTMLTextAreaElement, _text: string): { update?: () => void } {
  if (NATIVE) return {};
  const fit = (): void => {
    field.style.height = "auto";
    field.style.height = `${field.scrollHeight}px`;
  };
  fit();
  return { update: () => requestAnimationFrame(fit) };
}
