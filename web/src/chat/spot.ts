/** Where something that opens beside a button lies on the screen, so that no frame that scrolls can cut it. */

export interface Spot {
  readonly left: string;
  readonly top?: string;
  readonly bottom?: string;
  readonly height: string;
}

const EDGE = 12;
const GAP = 4;

/**
 * The place for a box of `width` that wants `height`: under the button where there is room for most of it or more than
 * above, and never over the edge of the screen. Coordinates are those of `position: fixed`.
 */
export function spotBeside(
  button: Pick<DOMRect, "left" | "top" | "bottom">,
  width: number,
  height: number,
  screen = { width: innerWidth, height: innerHeight },
): Spot {
  const below = screen.height - button.bottom - EDGE;
  const above = button.top - EDGE;
  const down = below >= 0.75 * height || below >= above;
  const real = Math.min(width, screen.width - 2 * EDGE);
  return {
    left: `${Math.max(EDGE, Math.min(button.left, screen.width - real - EDGE))}px`,
    ...(down ? { top: `${button.bottom + GAP}px` } : { bottom: `${screen.height - button.top + GAP}px` }),
    height: `${Math.max(0, Math.min(height, (down ? below : above) - GAP))}px`,
  };
}
