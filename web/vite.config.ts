import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { constants, gzipSync } from "node:zlib";

import { svelte } from "@sveltejs/vite-plugin-svelte";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

const OUT = "../src/paddock/chat/static";
const WORKER = "sw.js";
const TEXT = /\.(js|css|html|svg|webmanifest)$/;
const LEAST_BYTES = 1024;
const DAEMON = process.env.PADDOCK_CHAT ?? "http://localhost:3001";

/** Every browser that runs this page knows woff2: KaTeX's other fonts would be dead weight. */
function onlyWoff2(): Plugin {
  return {
    name: "only-woff2",
    enforce: "pre",
    transform(code, id) {
      if (!/katex.*\.css/.test(id)) return null;
      return code.replace(/,\s*url\([^)]*\.(?:woff|ttf)\)\s*format\([^)]*\)/g, "");
    },
  };
}

/** Tells the service worker which files are the shell, and by that also that it is a new one. */
function shellOfWorker(): Plugin {
  return {
    name: "shell-of-worker",
    generateBundle(_options, bundle) {
      const worker = bundle[WORKER];
      const main = Object.values(bundle).find((file) => file.type === "chunk" && file.isEntry && file.fileName !== WORKER);
      if (worker?.type !== "chunk" || main?.type !== "chunk") throw new Error("the page has no worker or no entry");
      const styles = [...(main.viteMetadata?.importedCss ?? [])];
      const shell = ["", main.fileName, ...main.imports, ...styles].map((name) => `/${name}`);
      worker.code = worker.code.replace(/(["'`])__SHELL__\1/, JSON.stringify(shell.join(" ")));
    },
  };
}

/** Packs the text files once, here, so that no server has to. */
function packed(): Plugin {
  return {
    name: "packed",
    apply: "build",
    writeBundle() {
      for (const name of readdirSync(OUT, { recursive: true, encoding: "utf8" })) {
        if (!TEXT.test(name)) continue;
        const text = readFileSync(join(OUT, name));
        if (text.length >= LEAST_BYTES) writeFileSync(join(OUT, `${name}.gz`), gzipSync(text, { level: constants.Z_BEST_COMPRESSION }));
      }
    },
  };
}

export default defineConfig({
  plugins: [svelte(), onlyWoff2(), shellOfWorker(), packed()],
  build: {
    outDir: OUT,
    emptyOutDir: true,
    target: "es2022",
    // The policy of the page allows files of its own only: nothing is written into others.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: {
      checks: { pluginTimings: false },
      input: { main: "index.html", sw: "src/sw.ts" },
      output: {
        entryFileNames: (chunk) => (chunk.name === "sw" ? WORKER : "assets/[name]-[hash].js"),
      },
    },
  },
  // The name that the browser asked for goes along: the daemon compares it with where requests come from.
  server: { proxy: { "/api": { target: DAEMON, changeOrigin: false } } },
  test: { include: ["src/**/*.test.ts"] },
});
