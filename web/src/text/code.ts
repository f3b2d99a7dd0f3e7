/** Colours for code: highlight.js with its common languages, fetched when a page first shows code. */
import type { HLJSApi } from "highlight.js";

import { clean } from "./render";

/** Beyond this a block stays plain: colours are not worth a page that stands still. */
const LONGEST = 60_000;

let coming: Promise<HLJSApi> | undefined;

function load(): Promise<HLJSApi> {
  coming ??= import("highlight.js/lib/common").then(
    (module) => module.default,
    (problem: unknown) => {
      coming = undefined;
      throw problem;
    },
  );
  return coming;
}

/** The safe HTML of `code` in `language`'s colours, or nothing when it is not known, too long or cannot be had now. */
export async function highlighted(code: string, language: string): Promise<string | undefined> {
  if (!language || code.length > LONGEST) return undefined;
  try {
    const engine = await load();
    if (!engine.getLanguage(language)) return undefined;
    return clean(engine.highlight(code, { language, ignoreIllegals: true }).value);
  } catch {
    return undefined;
  }
}

/** What a fence calls its language, as a label. */
export function languageLabel(language: string): string {
  return /^[\w+#. -]{1,32}$/.test(language) ? language : "";
}
