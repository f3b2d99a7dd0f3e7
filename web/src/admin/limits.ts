/** What an account may use, as a form has it and in words. */
import { short } from "../chat/format";
import type { Limits, Preset } from "../lib/types";
import { strings } from "../strings";

/** Limits while they are edited: an empty field is no limit. */
export interface LimitFields {
  /** Only those chosen may be used. */
  restricted: boolean;
  models: string[];
  tokens: number | null;
  parallel: number | null;
  from: string;
  to: string;
  preset: string;
}

export function fieldsOf(limits: Limits): LimitFields {
  return {
    restricted: limits.models != null,
    models: [...(limits.models ?? [])],
    tokens: limits.tokens_per_day ?? null,
    parallel: limits.parallel ?? null,
    from: limits.quiet?.from ?? "",
    to: limits.quiet?.to ?? "",
    preset: limits.preset ?? "",
  };
}

export function limitsOf(fields: LimitFields): Limits {
  return {
    ...(fields.restricted && { models: [...fields.models] }),
    ...(fields.tokens != null && { tokens_per_day: fields.tokens }),
    ...(fields.parallel != null && { parallel: fields.parallel }),
    ...(fields.from && fields.to && { quiet: { from: fields.from, to: fields.to } }),
    ...(fields.preset && { preset: fields.preset }),
  };
}

/** One short text per limit; none where there is none. */
export function limitWords(limits: Limits, presets: readonly Preset[]): string[] {
  const words = strings.admin.limits;
  const preset = presets.find((one) => one.id === limits.preset);
  const told = [
    limits.models != null && words.modelCount(limits.models.length),
    limits.tokens_per_day != null && words.tokensShort(short(limits.tokens_per_day)),
    limits.parallel != null && words.parallelShort(limits.parallel),
    limits.quiet && words.quietShort(limits.quiet.from, limits.quiet.to),
    limits.preset && words.presetShort(preset?.name ?? words.unknownPreset),
  ];
  return told.filter((text): text is string => Boolean(text));
}
