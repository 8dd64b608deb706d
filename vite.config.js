// Builds the console's parts into static/dist (hashed names, a manifest for the templates); never committed.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { defineConfig } from "vite";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

// One sprite of the icons named in static/src/icons.txt; in the manifest it is "static/src/icons.svg".
function iconSprite() {
  const symbol = (name) => {
    const file = here(`node_modules/@tabler/icons/icons/${name.includes("/") ? name : `outline/${name}`}.svg`);
    const body = readFileSync(file, "utf8").replace(/^<!--[^]*?-->\s*/, "").replace(/^<svg[^>]*>|<\/svg>\s*$/g, "");
    const paint = name.startsWith("filled/")
      ? 'fill="currentColor"'
      : 'fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"';
    return `<symbol id="${name.replace("/", "-")}" viewBox="0 0 24 24" ${paint}>${body.replace(/\n\s*/g, "")}</symbol>`;
  };
  return {
    name: "icon-sprite",
    generateBundle() {
      const lines = readFileSync(here("static/src/icons.txt"), "utf8").split("\n").map((line) => line.trim());
      const names = [...new Set(lines.filter((line) => line && !line.startsWith("#")))];
      const source = `<svg xmlns="http://www.w3.org/2000/svg">${names.map(symbol).join("")}</svg>`;
      this.emitFile({ type: "asset", name: "icons.svg", originalFileName: "static/src/icons.svg", source });
    },
  };
}

// Compressed once at build: each text file gets a .gz and a .br beside it, which the portal serves in its place.
function compressedCopies() {
  return {
    name: "compressed-copies",
    enforce: "post",
    writeBundle({ dir }, bundle) {
      for (const name of Object.keys(bundle).filter((each) => /\.(js|css|svg)$/.test(each))) {
        const content = readFileSync(`${dir}/${name}`);
        writeFileSync(`${dir}/${name}.gz`, gzipSync(content, { level: 9 }));
        writeFileSync(`${dir}/${name}.br`, brotliCompressSync(content));
      }
    },
  };
}

export default defineConfig({
  base: "/static/dist/",
  publicDir: false,
  plugins: [iconSprite(), compressedCopies()],
  build: {
    outDir: "static/dist",
    assetsDir: "",
    manifest: "manifest.json",
    target: "es2022",
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
    chunkSizeWarningLimit: 700,
    rolldownOptions: {
      input: ["static/src/main.js", "static/src/terminal.js", "static/src/chart.js", "static/src/topology.js"],
      preserveEntrySignatures: "exports-only",
    },
  },
});
