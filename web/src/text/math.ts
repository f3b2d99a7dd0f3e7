/**
 * Formulas: `$..$`, `$$..$$`, `\(..\)` and `\[..\]`, found by marked outside code, drawn by KaTeX.
 *
 * The parser leaves `<span class="math">` with the TeX as its text. KaTeX is fetched when a page first has one, and
 * draws into the element with DOM calls: no HTML of a formula is ever parsed.
 */
import type { TokenizerAndRendererExtension, Tokens } from "marked";

import { escape } from "./escape";

interface Formula extends Tokens.Generic {
  tex: string;
  display: boolean;
}

const BLOCK = /^ {0,3}(?:\$\$([^$]+?)\$\$|\\\[([\s\S]+?)\\\])[ \t]*(?:\n|$)/;
const BLOCK_START = /(?:^|\n) {0,3}(?:\$\$|\\\[)/;
const INLINE_DISPLAY = /^(?:\$\$([^$]+?)\$\$|\\\[([\s\S]+?)\\\])/;
const INLINE_PAREN = /^\\\(([\s\S]+?)\\\)/;
/** As Pandoc has it, so that "$5 and $10" stays money: no space inside the dollars, and no digit after them. */
const INLINE_DOLLAR = /^\$(?![\s$])((?:\\[\s\S]|[^\\$\n])+?)(?<![\s\\])\$(?![\d$])/;

function formula(type: string, match: RegExpExecArray, display: boolean): Formula {
  const tex = (match[1] ?? match[2] ?? "").trim();
  return { type, raw: match[0], tex, display };
}

function drawn(token: Tokens.Generic): string {
  const { tex, display } = token as Formula;
  return `<span class="math${display ? " display" : ""}">${escape(tex)}</span>`;
}

/** What teaches marked to leave formulas alone. */
export const mathExtensions: TokenizerAndRendererExtension[] = [
  {
    name: "mathBlock",
    level: "block",
    start: (src) => src.match(BLOCK_START)?.index,
    tokenizer: (src) => {
      const match = BLOCK.exec(src);
      return match ? formula("mathBlock", match, true) : undefined;
    },
    renderer: (token) => `<p>${drawn(token)}</p>\n`,
  },
  {
    name: "mathInline",
    level: "inline",
    start: (src) => src.match(/\$|\\[([]/)?.index,
    tokenizer: (src) => {
      const shown = INLINE_DISPLAY.exec(src);
      if (shown) return formula("mathInline", shown, true);
      const match = INLINE_PAREN.exec(src) ?? INLINE_DOLLAR.exec(src);
      return match ? formula("mathInline", match, false) : undefined;
    },
    renderer: drawn,
  },
];

type Katex = typeof import("katex").default;
let katex: Katex | undefined;
let coming: Promise<Katex> | undefined;

function load(): Promise<Katex> {
  coming ??= Promise.all([import("katex"), import("katex/dist/katex.min.css")]).then(
    ([module]) => (katex = module.default),
    (problem: unknown) => {
      coming = undefined; // the network was away: the next formula asks again
      throw problem;
    },
  );
  return coming;
}

function drawOne(engine: Katex, place: HTMLElement): void {
  const tex = place.textContent;
  if (!tex || place.firstElementChild) return;
  const displayMode = place.classList.contains("display");
  try {
    // Macros end: a formula that expands for ever must not take the page with it.
    engine.render(tex, place, { displayMode, throwOnError: true, trust: false, strict: false, maxExpand: 200, maxSize: 20 });
  } catch {
    place.textContent = tex;
    place.classList.add("broken");
  }
}

/** Draws the formulas in `root`: at once when KaTeX is here, else when it came. Without it the TeX stays readable. */
export function drawMath(root: ParentNode): void {
  const places = root.querySelectorAll<HTMLElement>("span.math");
  if (places.length === 0) return;
  const draw = (engine: Katex): void => places.forEach((place) => drawOne(engine, place));
  if (katex) draw(katex);
  else load().then(draw, () => undefined);
}
