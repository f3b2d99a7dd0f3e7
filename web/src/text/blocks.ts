/**
 * A text that grows, as the blocks that it is made of.
 *
 * To read a long answer anew with every word would cost more the longer it is. Paragraphs, lists and fences that
 * something follows do not change any more: they are kept, and only what comes after them is read again.
 */
import type { Token, Tokens } from "marked";

import { html, lex, noDefinitions } from "./render";

/** One block to show: a code block, which has buttons, or HTML that was made safe. The same object while it is the same. */
export interface Block {
  readonly raw: string;
  readonly html?: string;
  readonly code?: { readonly text: string; readonly language: string; readonly closed: boolean };
}

/** A last line of nothing but marks could become anything: shown as a heading or a rule it would flicker. */
const UNDECIDED = /(?:^|\n)[ \t]*[-=*_+#>|~`$]{1,3}[ \t]*$/;
const FENCE_END = /\n {0,3}(`{3,}|~{3,})[ \t]*\n*$/;

function isCode(token: Token): token is Tokens.Code {
  return token.type === "code";
}

function blockOf(token: Token): Block {
  if (!isCode(token)) return { raw: token.raw, html: html([token]) };
  const language = (token.lang ?? "").trim().split(/\s/, 1)[0] ?? "";
  const closed = token.codeBlockStyle === "indented" || FENCE_END.test(token.raw);
  return { raw: token.raw, code: { text: token.text, language, closed } };
}

function shows(token: Token): boolean {
  return token.type !== "space" && token.type !== "def";
}

/** How many of `tokens` will stay as they are whatever comes: all before the last one that begins in a whole line. */
function settled(tokens: Token[]): number {
  let last = tokens.length - 1;
  if (last >= 0 && !tokens[last]?.raw.includes("\n")) last -= 1;
  while (last > 0 && tokens[last]?.type === "space") last -= 1;
  return Math.max(last, 0);
}

export class Blocks {
  #text = "";
  /** The blocks that do not change any more, and how much of the text they are. */
  #kept: Block[] = [];
  #length = 0;
  #tail: Block[] = [];
  #definitions = noDefinitions();

  /** The blocks of `text`; `growing` when more of it may come. Cheap when it is the last text with more behind it. */
  read(text: string, growing: boolean): readonly Block[] {
    const source = text.replace(/\r\n?/g, "\n");
    if (!growing || !source.startsWith(this.#text)) return this.#whole(source, growing);
    this.#text = source;
    return this.#more(growing ? source.replace(UNDECIDED, "") : source);
  }

  /** Reads all of it; blocks that come out the same stay the same objects, so that the page does not touch them. */
  #whole(source: string, growing: boolean): readonly Block[] {
    const before = [...this.#kept, ...this.#tail];
    this.#text = source;
    this.#definitions = noDefinitions();
    this.#kept = [];
    this.#length = 0;
    this.#tail = [];
    const now = this.#more(growing ? source.replace(UNDECIDED, "") : source);
    return now.map((block, index) => {
      const old = before[index];
      return old && JSON.stringify(old) === JSON.stringify(block) ? old : block;
    });
  }

  #more(source: string): readonly Block[] {
    const known = Object.keys(this.#definitions).length;
    const tokens = lex(source.slice(this.#length), this.#definitions);
    if (this.#length > 0 && Object.keys(this.#definitions).length > known) return this.#again(source);
    const stay = settled(tokens);
    const fresh = tokens.slice(0, stay);
    this.#kept.push(...fresh.filter(shows).map((token) => this.#block(token)));
    this.#length += fresh.reduce((sum, token) => sum + token.raw.length, 0);
    this.#tail = tokens.slice(stay).filter(shows).map((token) => this.#block(token));
    return [...this.#kept, ...this.#tail];
  }

  /** A definition came: links before it are links from now on. */
  #again(source: string): readonly Block[] {
    this.#kept = [];
    this.#length = 0;
    return this.#more(source);
  }

  #block(token: Token): Block {
    return this.#tail.find((block) => block.raw === token.raw) ?? blockOf(token);
  }
}
