/** Moments as logs have them; those of people are in `lib/times`. */
const MOMENT = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });
const OTHER_DAY = new Intl.DateTimeFormat("en", {
  month: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
});
const CLOCK = new Intl.DateTimeFormat("en", { timeStyle: "medium", hourCycle: "h23" });

/** "Jan 31, 2026, 6:00 PM" */
export function moment(time: number): string {
  return MOMENT.format(time);
}

/** "18:00:05" of today, "Jan 31, 18:00" of another day. */
export function stamp(time: number, now: number = Date.now()): string {
  const today = new Date(time).toDateString() === new Date(now).toDateString();
  return today ? clock(time) : OTHER_DAY.format(time);
}

/** "18:00:05" */
export function clock(time: number): string {
  return CLOCK.format(time);
}
