/**
 * Builds dist/: polaris.js, app-bridge.js, admin-host.js, admin-host.css and elements.json.
 *
 * Tokens and icons come out of Shopify's packages here, at build time; dist/ is not kept in git.
 * elements.json lists every element with the attributes it observes; lint.py checks pages by it.
 */
import { build } from "esbuild";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import vm from "node:vm";

const here = dirname(fileURLToPath(import.meta.url));
const modules = join(here, "node_modules", "@shopify");
const dist = join(here, "dist");

/** Renamed, so that a page which leans on the shim's variables looks wrong here, as it would on the CDN's script. */
const PREFIX = ["--p-", "--shim-"];

function tokens() {
  const css = readFileSync(join(modules, "polaris-tokens/dist/css/styles.css"), "utf8");
  const light = css.match(/:root,\.p-theme-light\{([^}]*)\}/);
  const keyframes = css.match(/@keyframes p-motion-keyframes-spin\{.*?\} \}/s);
  if (!light || !keyframes) throw new Error("polaris-tokens: the light theme is not where it was");
  return (`:root{${light[1]}}` + keyframes[0]).replaceAll(...PREFIX);
}

const kebab = (name) =>
  name.replace(/Icon\.svg$/, "").replace(/([a-z0-9])([A-Z])|([A-Z])(?=[A-Z][a-z])/g, "$1$3-$2").toLowerCase();

function icons() {
  const folder = join(modules, "polaris-icons/dist/svg");
  const found = {};
  for (const file of readdirSync(folder)) {
    const svg = readFileSync(join(folder, file), "utf8");
    const body = svg.match(/^<svg[^>]*>(.*)<\/svg>\s*$/s);
    if (body) found[kebab(file)] = body[1];
  }
  return found;
}

const packages = {
  name: "shopify-packages",
  setup(on) {
    on.onResolve({ filter: /^virtual:/ }, (args) => ({ path: args.path, namespace: "virtual" }));
    on.onLoad({ filter: /./, namespace: "virtual" }, (args) => ({
      loader: "js",
      contents: args.path === "virtual:icons"
        ? `export default ${JSON.stringify(icons())}`
        : `export default ${JSON.stringify(tokens())}`,
    }));
  },
};

/** Runs polaris.js on the smallest stand-in for a DOM that its definitions need, and notes them. */
function elements(file) {
  const found = {};
  const nothing = () => undefined;
  const document = { adoptedStyleSheets: [], addEventListener: nothing, documentElement: {} };
  const world = {
    HTMLElement: class {},
    CSSStyleSheet: class { replaceSync() {} },
    customElements: { get: nothing, define: (tag, cls) => { found[tag] = [...cls.observedAttributes].sort(); } },
    document, addEventListener: nothing, console,
  };
  world.window = world.globalThis = world;
  vm.runInNewContext(readFileSync(file, "utf8"), world);
  return found;
}

rmSync(dist, { recursive: true, force: true });
mkdirSync(dist, { recursive: true });
await build({
  absWorkingDir: here,
  entryPoints: {
    polaris: "src/polaris.ts",
    "app-bridge": "src/bridge/app-bridge.ts",
    "admin-host": "src/host/admin-host.ts",
  },
  bundle: true,
  format: "iife",
  target: "chrome120",
  outdir: dist,
  plugins: [packages],
  charset: "utf8",
  legalComments: "none",
  logLevel: "warning",
});
const host = readFileSync(join(here, "src/host/admin-host.css"), "utf8");
writeFileSync(join(dist, "admin-host.css"), tokens() + host.replaceAll(...PREFIX));
writeFileSync(join(dist, "elements.json"), JSON.stringify(elements(join(dist, "polaris.js")), null, 1));
