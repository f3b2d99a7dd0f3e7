/** The end of a text that is not longer than `longest`, from the beginning of a line. */
export function ending(text: string, longest: number): string {
  if (text.length <= longest) return text;
  const cut = text.indexOf("\n", text.length - longest - 1) + 1;
  return text.slice(cut || text.length - longest);
}
