/** Moments in words. */
const DAY = new Intl.DateTimeFormat("en", { dateStyle: "medium" });
const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const UNITS: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ["year", 365 * 86_400_000],
  ["month", 30 * 86_400_000],
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
];

/** "Nov 23, 2026". */
export function day(time: number): string {
  return DAY.format(time);
}

/** "3 hours ago", "in 2 days", "now". */
export function ago(time: number, now: number = Date.now()): string {
  const distance = time - now;
  const [unit, size] = UNITS.find(([, size]) => Math.abs(distance) >= size) ?? ["second", Infinity];
  return RELATIVE.format(Math.trunc(distance / size) || 0, unit);
}
