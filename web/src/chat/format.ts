/** Numbers as people read them. */
import { strings } from "../strings";
import type { ModelState } from "../lib/types";

const WHOLE = new Intl.NumberFormat("en");
const SHORT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** 12,345 */
export function count(value: number): string {
  return WHOLE.format(Math.round(value));
}

/** 12.3K */
export function short(value: number): string {
  return SHORT.format(value);
}

/** 8.4 or 123: a speed. */
export function speed(value: number): string {
  return value < 100 ? value.toFixed(1) : count(value);
}

/** "0.8 s", "12 s", "2 min 5 s". */
export function duration(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** 0.4 -> "40 %" */
export function percent(part: number): string {
  return `${Math.round(100 * Math.min(1, Math.max(0, part)))} %`;
}

/** "1.5 MB" */
export function bytes(size: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  const step = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, size)) / 3)));
  const value = size / 1000 ** step;
  return `${value < 10 && step > 0 ? value.toFixed(1) : Math.round(value)} ${units[step] ?? ""}`;
}

/** What a model is doing, in a few words: what the picker and the composer show beside its name. */
export function stateWords(model: ModelState): string {
  const words = strings.models;
  switch (model.state) {
    case "ready":
      return model.waiting > 0 ? words.busy(model.waiting) : words.ready;
    case "loading":
      if (model.progress != null && model.progress > 0) return words.loadingPart(percent(model.progress));
      if (model.seconds == null) return words.loading;
      return (model.seconds_left ? words.loadingLeft : words.loadingSeconds)(duration(1000 * model.seconds));
    case "queued":
      return words.queued(model.waiting);
    case "stopping":
      return words.stopping;
    case "failed":
      return model.reason ? words.failedWhy(model.reason) : words.failed;
    default:
      return words.fits[model.fits ?? "unknown"];
  }
}

/** Days since `time`, as the history groups them: 0 is today. */
export function daysAgo(time: number, now: number = Date.now()): number {
  const midnight = (ms: number): number => new Date(ms).setHours(0, 0, 0, 0);
  return Math.max(0, Math.round((midnight(now) - midnight(time)) / 86_400_000));
}

/** The heading in the history under which `time` stands. */
export function dayWords(time: number, now: number = Date.now()): string {
  const ago = daysAgo(time, now);
  const words = strings.history.days;
  if (ago === 0) return words.today;
  if (ago === 1) return words.yesterday;
  if (ago < 7) return words.week;
  if (ago < 30) return words.month;
  return new Intl.DateTimeFormat("en", { month: "long", year: "numeric" }).format(time);
}
