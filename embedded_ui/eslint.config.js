import js from "@eslint/js";
import hooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

/**
 * Imports point one way: app → features/<noun> → shared, and never from one feature to another.
 * Across rooms the alias is required, inside a room the path is relative, so that the rule is a pattern.
 */
const zone = (files, forbidden, why) => ({
  files,
  rules: {
    "no-restricted-imports": ["error", { patterns: [{ group: forbidden, message: why }] }],
  },
});

export default tseslint.config(
  { ignores: ["dist/", "src/shared/api/schema.d.ts"] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ["eslint.config.js"] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    plugins: { "react-hooks": hooks },
    rules: {
      ...hooks.configs.recommended.rules,
      "max-lines": ["error", 500],
      "max-lines-per-function": ["error", { max: 80, skipBlankLines: true, skipComments: true }],
      // A number in a template reads well and can't print as [object Object].
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
    },
  },
  zone(["src/shared/**"], ["@/app/**", "@/features/**"], "shared knows no page and no app."),
  zone(["src/features/**"], ["@/app/**", "@/features/**", "../**"], "A feature imports only shared and itself."),
  // A folder inside a feature may reach up to the feature, no further.
  zone(["src/features/*/*/**"], ["@/app/**", "@/features/**", "../../**"], "A feature imports only shared and itself."),
  zone(["src/app/**"], ["../features/**", "../shared/**"], "Across rooms, use the @/ alias."),
  {
    // A suite in describe() is as long as its list of sentences.
    files: ["tests/**"],
    rules: { "max-lines-per-function": "off" },
  },
  { files: ["eslint.config.js"], ...tseslint.configs.disableTypeChecked },
);
