/** Moments as logs have them; those of people are in `lib/times`. */
const MOMENT = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });
const CLOCK = new Intl.DateTimeFormat("en", { timeStyle: "medium", hourCycle: "h23" });

/** "Jan 31, 2026, 6:00 PM" */
export function moment(time: number): string {
  return MOMENT.format(time);
}

/** "18:00:05" */
export function clock(time: number): string {
  return CLOCK.format(time);
}
