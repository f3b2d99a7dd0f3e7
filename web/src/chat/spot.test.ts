import { expect, it } from "vitest";

import { spotBeside } from "./spot";

const SCREEN = { width: 360, height: 740 };

it.each([
  ["under the button", { left: 20, top: 10, bottom: 50 }, 200, 300, { left: "20px", top: "54px", height: "300px" }],
  ["above it, near the lower edge", { left: 20, top: 600, bottom: 640 }, 200, 300, { left: "20px", bottom: "144px", height: "300px" }],
  ["not over the right edge", { left: 300, top: 10, bottom: 50 }, 200, 300, { left: "148px", top: "54px", height: "300px" }],
  ["as wide as the phone", { left: 40, top: 10, bottom: 50 }, 416, 300, { left: "12px", top: "54px", height: "300px" }],
  ["as high as there is room", { left: 20, top: 100, bottom: 140 }, 200, 900, { left: "20px", top: "144px", height: "584px" }],
])("lies %s", (_where, button, width, height, spot) => expect(spotBeside(button, width, height, SCREEN)).toEqual(spot));
