/** What is changed about one's own account. */
import { api } from "../lib/api";
import { session } from "../lib/session.svelte";
import type { User, UserSettings } from "../lib/types";

/** A setting that is null is taken away; those that are not named stay. */
export type SettingsChange = { readonly [K in keyof UserSettings]: UserSettings[K] | null };

/** Changes the account, here and on the server. Throws `ApiError`. */
export async function changeMe(change: { name?: string; settings?: SettingsChange }): Promise<void> {
  const { user } = await api.patch<{ user: User }>("/api/me", change);
  session.know(user);
}
