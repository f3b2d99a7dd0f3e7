/** Text made harmless. */

const NAMES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** `text` as HTML that shows exactly it, also inside a quoted attribute. */
export function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => NAMES[character] ?? "");
}

const SCHEMES = new Set(["http:", "https:", "mailto:"]);

/**
 * The address of a link as the browser will read it, or nothing when it leads anywhere but the web or a mailbox.
 * Relative addresses lead into this page, where the text of a model has no business.
 */
export function webAddress(href: string): URL | undefined {
  const url = URL.parse(href.trim());
  return url && SCHEMES.has(url.protocol) ? url : undefined;
}
