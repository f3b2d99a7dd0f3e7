/** The models that this person may use, as they are right now. */
import type { ModelState } from "../lib/types";
import * as server from "./server";

class Models {
  list = $state<ModelState[]>([]);
  known = $state(false);

  /** Those that one can talk to. */
  readonly chatty: ModelState[] = $derived(this.list.filter((model) => !model.embedding));

  async load(): Promise<void> {
    this.set((await server.models()).models);
  }

  set(list: ModelState[]): void {
    this.list = list;
    this.known = true;
  }

  put(model: ModelState): void {
    const index = this.list.findIndex((each) => each.id === model.id);
    if (index >= 0) this.list[index] = model;
    else if (this.known) this.list.push(model);
  }

  find(id: string | null | undefined): ModelState | undefined {
    return id ? this.list.find((model) => model.id === id) : undefined;
  }

  /** The first of `wishes` that is here, else one that is loaded, else one that fits. */
  choose(...wishes: (string | null | undefined)[]): ModelState | undefined {
    for (const wish of wishes) {
      const model = this.find(wish);
      if (model) return model;
    }
    const ready = this.chatty.find((model) => model.state === "ready");
    return ready ?? this.chatty.find((model) => model.fits !== "no") ?? this.chatty[0];
  }
}

export const models = new Models();
