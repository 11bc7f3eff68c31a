import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** Builds the pages. The app's HTML shell reads dist/.vite/manifest.json to find the hashed entry. */
export default defineConfig({
  plugins: [react()],
  base: "/assets/ui/",
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  build: {
    manifest: true,
    sourcemap: false,
    target: "es2022",
    assetsDir: "",
    rolldownOptions: { input: "src/main.tsx" },
  },
});
