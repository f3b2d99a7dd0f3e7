import { expect, it } from "vitest";

import { fitted } from "./images";

it.each([
  [[4032, 3024], [1568, 1176]],
  [[100, 50], [100, 50]],
  [[1, 9000], [1, 1568]],
])("%j becomes %j", ([width = 0, height = 0], size) => expect(fitted(width, height)).toEqual(size));
