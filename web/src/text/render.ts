/**
 * Markdown to HTML that is safe to show. What a model writes is a stranger's text.
 *
 * Three walls: raw HTML is shown as text (but for a few plain tags), addresses are judged when they are written, and
 * DOMPurify goes over the result *after* rendering with a short list of what may be there. Images of other places
 * become links: loading one would tell its owner what the model put into the address.
 */
import DOMPurify, { type Config } from "dompurify";
import { Marked, type Token, type Tokens, type TokensList } from "marked";

import { strings } from "../strings";
import { escape, webAddress } from "./escape";
import { mathExtensions } from "./math";

const PLAIN_TAG = /^<(?:br\s*\/?|\/?(?:sub|sup|kbd|mark))>$/i;

function link(href: string, title: string | null | undefined, inner: string): string {
  const url = webAddress(href);
  if (!url) return inner;
  const named = title ? ` title="${escape(title)}"` : "";
  return `<a href="${escape(url.href)}"${named}>${inner}</a>`;
}

function image(href: string, alt: string): string {
  const url = webAddress(href);
  const words = alt || strings.markdown.image;
  const label = url?.host ? strings.markdown.imageFrom(words, url.host) : words;
  return link(href, null, escape(label));
}

const marked = new Marked({ gfm: true, breaks: false });

marked.use({
  extensions: mathExtensions,
  renderer: {
    html({ text: raw }: Tokens.HTML | Tokens.Tag) {
      return PLAIN_TAG.test(raw.trim()) ? raw : escape(raw);
    },
    link({ href, title, tokens }: Tokens.Link) {
      return link(href, title, this.parser.parseInline(tokens));
    },
    image({ href, text: alt }: Tokens.Image) {
      return image(href, alt);
    },
    checkbox({ checked }: Tokens.Checkbox) {
      return checked ? "☑ " : "☐ ";
    },
    table(token: Tokens.Table) {
      const cells = (row: Tokens.TableCell[]): string => row.map((cell) => this.tablecell(cell)).join("");
      const rows = token.rows.map((row) => `<tr>${cells(row)}</tr>`).join("");
      return `<div class="table"><table><thead><tr>${cells(token.header)}</tr></thead><tbody>${rows}</tbody></table></div>\n`;
    },
  },
});

const ALLOWED: Config = {
  ALLOWED_TAGS: [
    "a", "blockquote", "br", "code", "del", "div", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "kbd", "li", "mark",
    "ol", "p", "pre", "span", "strong", "sub", "sup", "table", "tbody", "td", "th", "thead", "tr", "ul", "#text",
  ],
  ALLOWED_ATTR: ["align", "class", "href", "start", "title"],
  ADD_URI_SAFE_ATTR: ["align", "class", "start", "title"],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  ALLOW_ARIA_ATTR: false,
  ALLOW_DATA_ATTR: false,
};
const CLASS = /^(?:math|math display|table|language-[\w+#.-]{1,32}|hljs-[\w -]{1,60})$/;

const purifier = DOMPurify();
purifier.addHook("uponSanitizeAttribute", (_node, attribute) => {
  if (attribute.attrName === "class") attribute.keepAttr = CLASS.test(attribute.attrValue);
});
purifier.addHook("afterSanitizeAttributes", (node) => {
  if (node.nodeName !== "A") return;
  node.setAttribute("target", "_blank");
  node.setAttribute("rel", "noopener noreferrer");
});

/** `html` without anything that is not on the list. */
export function clean(html: string): string {
  return purifier.sanitize(html, ALLOWED);
}

/** Addresses that `[word]: https://...` lines gave to words, anywhere in a text. */
export type Definitions = TokensList["links"];

/** None yet. Without a prototype: `[constructor]` is a word like any other. */
export function noDefinitions(): Definitions {
  return Object.create(null) as Definitions;
}

/** The blocks of `source`; `definitions` are known to it, and get what it defines. */
export function lex(source: string, definitions: Definitions): Token[] {
  const lexer = new marked.Lexer(marked.defaults);
  lexer.tokens.links = definitions;
  return lexer.lex(source);
}

/** The safe HTML of blocks that `lex` found. */
export function html(tokens: Token[]): string {
  return clean(marked.parser(tokens));
}

/** The safe HTML of a whole text. */
export function render(source: string): string {
  return html(lex(source, noDefinitions()));
}
