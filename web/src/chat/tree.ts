/**
 * The messages of a chat as the tree that they are: whoever edits or regenerates makes a branch, and the page shows
 * one path of it, from the first message to a leaf.
 */

/** What the tree needs to know of a message. */
export interface Node {
  readonly id: string;
  readonly parent?: string | null;
  readonly created: number;
}

/** Where a message stands among the branches that begin at its place. */
export interface Branches {
  /** Counted from 1. */
  readonly place: number;
  readonly count: number;
  readonly previous?: string;
  readonly next?: string;
}

export class Tree<T extends Node> {
  readonly #nodes = new Map<string, T>();
  readonly #children = new Map<string | null, T[]>();

  /** `nodes` in any order; one whose parent is not among them begins a path. */
  constructor(nodes: Iterable<T>) {
    for (const node of nodes) this.#nodes.set(node.id, node);
    for (const node of this.#nodes.values()) {
      const key = this.#parent(node);
      const siblings = this.#children.get(key);
      if (siblings) siblings.push(node);
      else this.#children.set(key, [node]);
    }
    for (const siblings of this.#children.values()) siblings.sort(byAge);
  }

  /** The messages from the first one to `leaf`; without a known leaf, to the newest. */
  path(leaf: string | null | undefined): T[] {
    const path: T[] = [];
    const met = new Set<string>();
    let node = this.#nodes.get(leaf ?? "") ?? this.#latest();
    while (node && !met.has(node.id)) {
      met.add(node.id);
      path.push(node);
      node = this.#nodes.get(node.parent ?? "");
    }
    return path.reverse();
  }

  /** How many branches begin where `id` stands, and which are beside it. */
  branches(id: string): Branches {
    const node = this.#nodes.get(id);
    if (!node) return { place: 1, count: 1 };
    const siblings = this.#children.get(this.#parent(node)) ?? [];
    const index = siblings.indexOf(node);
    return {
      place: index + 1,
      count: siblings.length,
      previous: siblings[index - 1]?.id,
      next: siblings[index + 1]?.id,
    };
  }

  /** The end of the branch through `id`: always on to the newest child. */
  leaf(id: string): string {
    let node = this.#nodes.get(id);
    const met = new Set<string>();
    while (node && !met.has(node.id)) {
      met.add(node.id);
      const child = this.#newest(node.id);
      if (!child) return node.id;
      node = child;
    }
    return id;
  }

  /** `id` and all that follows it. */
  below(id: string): Set<string> {
    const found = new Set<string>([id]);
    for (const each of found) {
      for (const child of this.#children.get(each) ?? []) found.add(child.id);
    }
    return found;
  }

  #parent(node: T): string | null {
    return node.parent && this.#nodes.has(node.parent) ? node.parent : null;
  }

  #latest(): T | undefined {
    const root = this.#newest(null);
    return root && this.#nodes.get(this.leaf(root.id));
  }

  #newest(parent: string | null): T | undefined {
    return this.#children.get(parent)?.at(-1);
  }
}

function byAge(one: Node, other: Node): number {
  return one.created - other.created || (one.id < other.id ? -1 : 1);
}
