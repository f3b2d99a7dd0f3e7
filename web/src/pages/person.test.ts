import { expect, it } from "vitest";

import { suggestedLogin } from "./person";

it.each([
  ["", ""],
  ["Anna", "anna"],
  ["  Zoë  van Dijk", "zoe"],
  ["O'Neil", "oneil"],
  ["王芳", ""],
])("suggests a login for %j: %j", (name, login) => expect(suggestedLogin(name)).toBe(login));
