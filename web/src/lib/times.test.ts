import { expect, it } from "vitest";

import { ago } from "./times";

const NOW = 1_800_000_000_000;

it.each([
  [0, "now"],
  [-59_000, "now"],
  [-60_000, "1 minute ago"],
  [-2 * 3_600_000, "2 hours ago"],
  [-86_400_000, "yesterday"],
  [3 * 86_400_000, "in 3 days"],
  [-400 * 86_400_000, "last year"],
])("says %d ms from now as %j", (distance, words) => expect(ago(NOW + distance, NOW)).toBe(words));
