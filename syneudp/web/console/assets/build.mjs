import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const source = join(here, "src");
const target = join(here, "..", "static");
const modules = join(here, "node_modules");
const budgetBytes = 60 * 1024;
const require = createRequire(import.meta.url);

const fonts = {
  "instrument-sans.woff2": "@fontsource-variable/instrument-sans/files/instrument-sans-latin-wght-normal.woff2",
  "jetbrains-mono.woff2": "@fontsource-variable/jetbrains-mono/files/jetbrains-mono-latin-wght-normal.woff2",
};
const licences = {
  "instrument-sans.txt": "@fontsource-variable/instrument-sans/LICENSE",
  "jetbrains-mono.txt": "@fontsource-variable/jetbrains-mono/LICENSE",
  "htmx.txt": "htmx.org/LICENSE",
  "tailwindcss.txt": "tailwindcss/LICENSE",
};
const scripts = [
  join(modules, "htmx.org", "dist", "htmx.min.js"),
  join(modules, "htmx.org", "dist", "ext", "hx-sse.min.js"),
  ...readdirSync(source).filter((name) => name.endsWith(".js")).sort().map((name) => join(source, name)),
];
const manifest = {};

function publish(name, content) {
  const digest = createHash("sha256").update(content).digest("hex").slice(0, 12);
  const extension = extname(name);
  const published = `${basename(name, extension)}.${digest}${extension}`;
  writeFileSync(join(target, published), content);
  if (extension !== ".woff2") {
    writeFileSync(join(target, `${published}.gz`), gzipSync(content, { level: 9 }));
    writeFileSync(join(target, `${published}.br`), brotliCompressSync(content));
  }
  manifest[name] = published;
  return published;
}

function stylesheet() {
  const cli = join(dirname(require.resolve("@tailwindcss/cli/package.json")), "dist", "index.mjs");
  const built = join(target, "console.css");
  const run = spawnSync(process.execPath, [cli, "--input", join(source, "console.css"), "--output", built, "--minify"], {
    cwd: here,
    encoding: "utf8",
  });
  if (run.status !== 0) {
    throw new Error(`the stylesheet did not build: ${run.stderr}`);
  }
  let text = readFileSync(built, "utf8");
  rmSync(built);
  for (const name of Object.keys(fonts)) {
    text = text.replaceAll(`./${name}`, `./${manifest[name]}`);
  }
  return text;
}

rmSync(target, { recursive: true, force: true });
mkdirSync(join(target, "licences"), { recursive: true });
for (const [name, path] of Object.entries(licences)) {
  copyFileSync(join(modules, path), join(target, "licences", name));
}
for (const [name, path] of Object.entries(fonts)) {
  publish(name, readFileSync(join(modules, path)));
}
publish("icon.svg", readFileSync(join(source, "icon.svg")));
const style = stylesheet();
const script = scripts.map((path) => readFileSync(path, "utf8").replace(/\/\/# sourceMappingURL=.*$/m, "").trim()).join("\n;\n");
publish("console.css", style);
publish("console.js", script);
writeFileSync(join(target, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);

const weight = gzipSync(style).length + gzipSync(script).length;
process.stdout.write(`console assets: ${(weight / 1024).toFixed(1)} KB of script and style, compressed\n`);
if (weight > budgetBytes) {
  throw new Error(`script and style weigh ${weight} bytes compressed, more than ${budgetBytes}`);
}
