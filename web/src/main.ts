import { mount } from "svelte";

import "./app.css";
import App from "./App.svelte";
import { showTheme } from "./lib/theme";

showTheme();
mount(App, { target: document.getElementById("app")! });
// Only where the page comes over HTTPS or from this machine: elsewhere browsers have no workers.
if (import.meta.env.PROD) void navigator.serviceWorker?.register("/sw.js").catch(() => undefined);
