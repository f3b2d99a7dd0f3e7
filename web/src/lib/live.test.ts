import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { Live } from "./live";

/** The browser's EventSource, as far as `Live` knows it; the tests are the network. */
class Source extends EventTarget {
  static readonly CLOSED = 2;
  static all: Source[] = [];
  readyState = 0;
  onopen?: () => void;
  onerror?: () => void;

  constructor(readonly url: string) {
    super();
    Source.all.push(this);
  }

  close(): void {
    this.readyState = Source.CLOSED;
  }

  tell(event: string, data: unknown): void {
    this.dispatchEvent(new MessageEvent(event, { data: JSON.stringify(data) }));
  }

  break({ forGood }: { forGood: boolean }): void {
    this.readyState = forGood ? Source.CLOSED : 0;
    this.onerror?.();
  }
}

const last = (): Source => Source.all.at(-1)!;

beforeEach(() => {
  Source.all = [];
  vi.stubGlobal("EventSource", Source);
  vi.useFakeTimers();
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

it("tells those who listen, until they do not", () => {
  const live = new Live();
  const heard: string[] = [];
  const end = live.on("notice", ({ text }) => heard.push(text));
  live.open();
  last().tell("notice", { text: "one" });
  end();
  last().tell("notice", { text: "two" });
  expect(heard).toEqual(["one"]);
});

it("leaves it to the browser to come back after a lost line", () => {
  const live = new Live();
  live.open();
  last().break({ forGood: false });
  expect(live.line).toBe("lost");
  last().onopen?.();
  expect(live.line).toBe("open");
  expect(Source.all).toHaveLength(1);
});

it("tries again, slower each time, where the browser gave up", () => {
  const live = new Live();
  live.open();
  last().break({ forGood: true });
  vi.advanceTimersByTime(1000);
  expect(Source.all).toHaveLength(2);
  last().break({ forGood: true });
  vi.advanceTimersByTime(1999);
  expect(Source.all).toHaveLength(2);
  vi.advanceTimersByTime(1);
  expect(Source.all).toHaveLength(3);
});

it("tries no more once it is closed", () => {
  const live = new Live();
  live.open();
  last().break({ forGood: true });
  live.close();
  vi.advanceTimersByTime(120_000);
  expect(Source.all).toHaveLength(1);
  expect(live.line).toBe("off");
});
