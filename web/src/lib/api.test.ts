import { afterEach, describe, expect, it, vi } from "vitest";

import { api, ApiError, problemText, whenSignedOut } from "./api";

function answering(status: number, body: unknown): void {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  vi.stubGlobal("fetch", () => Promise.resolve(new Response(status === 204 ? null : text, { status })));
}

async function problemOf(work: Promise<unknown>): Promise<ApiError> {
  return work.then(
    () => Promise.reject(new Error("it went well")),
    (problem: unknown) => problem as ApiError,
  );
}

afterEach(() => vi.unstubAllGlobals());

describe("an answer", () => {
  it("is its JSON", async () => {
    answering(200, { title: "Kites" });
    expect(await api.get("/api/x")).toEqual({ title: "Kites" });
  });

  it("may be nothing", async () => {
    answering(204, "");
    expect(await api.delete("/api/x")).toBeUndefined();
  });
});

describe("a problem", () => {
  it("is what the server says", async () => {
    answering(409, { error: { code: "login_taken", message: "this login is taken", hint: "choose another one", field: "login" } });
    const problem = await problemOf(api.post("/api/x"));
    expect(problem).toMatchObject({ status: 409, code: "login_taken", field: "login" });
    expect(problemText(problem)).toBe("This login is taken. Choose another one.");
  });

  it("has words also where the server has none", async () => {
    answering(502, "<html>bad gateway</html>");
    expect(problemText(await problemOf(api.get("/api/x")))).toBe("The server answered with 502.");
  });

  it("may be that there is no server", async () => {
    vi.stubGlobal("fetch", () => Promise.reject(new TypeError("refused")));
    expect((await problemOf(api.get("/api/x"))).status).toBe(0);
  });

  it.each([
    ["unauthenticated", 1],
    ["wrong_password", 0],
  ])("of code %s tells %d times that nobody is signed in", async (code, times) => {
    const heard = vi.fn();
    whenSignedOut(heard);
    answering(401, { error: { code, message: "no" } });
    await problemOf(api.get("/api/x"));
    expect(heard).toHaveBeenCalledTimes(times);
  });
});
