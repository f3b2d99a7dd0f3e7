/** What was typed and not sent, per chat: it outlives a reload, not the tab. */

const key = (chat: string | undefined): string => `paddock.draft.${chat ?? "new"}`;

export function draft(chat: string | undefined): string {
  try {
    return sessionStorage.getItem(key(chat)) ?? "";
  } catch {
    return ""; // storage may be forbidden: then there are no drafts
  }
}

export function keepDraft(chat: string | undefined, text: string): void {
  try {
    if (text) sessionStorage.setItem(key(chat), text);
    else sessionStorage.removeItem(key(chat));
  } catch {
    // as above
  }
}
