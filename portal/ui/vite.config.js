// One page; what is large (terminal, screen, graphs) is a piece of its own, loaded when it is needed.
import { defineConfig } from "vite";

export default defineConfig({
  build: {
    target: "es2022",
    outDir: "dist",
    assetsInlineLimit: 0, // the content security policy admits nothing that is inline
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
});
