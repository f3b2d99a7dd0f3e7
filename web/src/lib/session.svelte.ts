/** Who is signed in, and what anybody may know of this house. */
import { api, whenSignedOut } from "./api";
import { live } from "./live";
import { keepTheme } from "./theme";
import type { Start, User } from "./types";

class Session {
  start = $state<Start>();
  user = $state<User | null>(null);
  /** Why the page cannot even begin. */
  problem = $state<unknown>();

  constructor() {
    whenSignedOut(() => this.#ended());
    live.on("signed_out", () => this.#ended());
    // A snapshot comes when something of the account changed, as when an admin lets it in.
    live.on("hello", () => void this.refresh());
  }

  /** Asks how things stand. Never throws: `problem` says what is wrong. */
  async begin(): Promise<void> {
    try {
      this.start = await api.get<Start>("/api/start");
      this.problem = undefined;
      if (this.start.user) this.enter(this.start.user);
    } catch (problem) {
      this.problem = problem;
    }
  }

  /** Somebody is signed in now. */
  enter(user: User): void {
    this.know(user);
    if (this.start) this.start = { ...this.start, setup: false, user };
    live.open();
  }

  /** What is known of who is signed in is this now. */
  know(user: User): void {
    this.user = user;
    if (user.settings.theme) keepTheme(user.settings.theme);
  }

  /** Throws `ApiError`. */
  async signOut(to = "/"): Promise<void> {
    await this.leave(() => api.post("/api/signout"), to);
  }

  /** Does what ends the session, on purpose: nothing stays for who comes next. Throws what it throws. */
  async leave(end: () => Promise<unknown>, to = "/"): Promise<void> {
    // Else the line would tell of the end first, as of one that came from elsewhere.
    live.close();
    try {
      await end();
    } catch (problem) {
      live.open();
      throw problem;
    }
    sessionStorage.clear();
    history.replaceState(null, "", to);
    location.reload();
  }

  /** Asks again who this is. What fails here fails visibly elsewhere. */
  async refresh(): Promise<void> {
    try {
      const { user } = await api.get<{ user: User }>("/api/me");
      if (this.user) this.know(user);
    } catch {
      return;
    }
  }

  /** The session is over: the page begins anew, where it was, so that nothing of it stays on it. */
  #ended(): void {
    if (!this.user) return;
    live.close();
    location.reload();
  }
}

export const session = new Session();
