/** Where the parts of a stacked bar stand. */

export type Kind = "ours" | "others" | "reserved" | "free";

export interface Part {
  readonly kind: Kind;
  readonly name: string;
  readonly bytes: number;
  /** Which of the colours of its kind; else they take turns. */
  readonly shade?: number;
}

export interface LaidOut extends Part {
  readonly key: string;
  readonly x: number;
  readonly width: number;
  readonly shade: number;
}

const SHADES = 4;

/** The parts in their order over `width`; those of nothing are left out, and none reaches beyond the end. */
export function laidOut(parts: readonly Part[], total: number, width: number): LaidOut[] {
  const scale = width / Math.max(total, parts.reduce((sum, part) => sum + part.bytes, 0), 1);
  const seen = new Map<Kind, number>();
  let x = 0;
  return parts.flatMap((part, index) => {
    if (part.bytes <= 0) return [];
    const before = seen.get(part.kind) ?? 0;
    seen.set(part.kind, before + 1);
    const shade = (part.shade ?? before) % SHADES;
    const laid = { ...part, key: `${index} ${part.kind}`, x, width: part.bytes * scale, shade };
    x += laid.width;
    return [laid];
  });
}
