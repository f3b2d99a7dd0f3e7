/** Talking to the server: JSON both ways, and every failure as an `ApiError`. */
import { strings } from "../strings";

/** What the server refused, or that it could not be reached (status 0). */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly hint = "",
    /** The field of a form that is meant. */
    readonly field = "",
  ) {
    super(message);
  }
}

/** A problem in words that a person can be shown. */
export function problemText(problem: unknown): string {
  if (!(problem instanceof ApiError)) return strings.problems.unexpected;
  return [problem.message, problem.hint].filter(Boolean).map(sentence).join(" ");
}

/** `text` with a capital letter and a full stop. */
export function sentence(text: string): string {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(capital) ? capital : `${capital}.`;
}

type Heard = (problem: ApiError) => void;
let onUnauthenticated: Heard = () => undefined;

/** Calls `heard` whenever the server says that nobody is signed in. */
export function whenSignedOut(heard: Heard): void {
  onUnauthenticated = heard;
}

async function errorOf(response: Response): Promise<ApiError> {
  const told = (await response.json().catch(() => ({}))) as {
    error?: { code?: string; message?: string; hint?: string | null; field?: string | null };
  };
  const { code, message, hint, field } = told.error ?? {};
  return new ApiError(
    response.status,
    code ?? "http",
    message ?? strings.problems.status(response.status),
    hint ?? "",
    field ?? "",
  );
}

async function send(method: string, path: string, body?: BodyInit, type?: string): Promise<Response> {
  // The mark that no page of another origin can send.
  const headers: Record<string, string> = { "X-Paddock": "1" };
  if (type) headers["Content-Type"] = type;
  let response: Response;
  try {
    response = await fetch(path, { method, headers, body, credentials: "same-origin" });
  } catch {
    throw new ApiError(0, "unreachable", strings.problems.unreachable, strings.problems.unreachableHint);
  }
  if (response.ok) return response;
  const problem = await errorOf(response);
  if (problem.status === 401 && problem.code !== "wrong_password") onUnauthenticated(problem);
  throw problem;
}

async function ask<T>(method: string, path: string, data?: unknown): Promise<T> {
  const response =
    data === undefined ? await send(method, path) : await send(method, path, JSON.stringify(data), "application/json");
  return (response.status === 204 ? undefined : await response.json()) as T;
}

/** One function per method. All throw `ApiError` only. */
export const api = {
  get: <T>(path: string): Promise<T> => ask("GET", path),
  post: <T>(path: string, data: unknown = {}): Promise<T> => ask("POST", path, data),
  patch: <T>(path: string, data: unknown): Promise<T> => ask("PATCH", path, data),
  delete: <T>(path: string, data?: unknown): Promise<T> => ask("DELETE", path, data),
  /** Sends the file's bytes as they are. */
  upload: async <T>(path: string, file: Blob): Promise<T> => {
    const response = await send("POST", path, file, file.type || "application/octet-stream");
    return (await response.json()) as T;
  },
  text: async (path: string): Promise<string> => (await send("GET", path)).text(),
};
