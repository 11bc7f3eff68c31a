import type { ReactNode } from "react";

/** App Bridge's own elements, which its type package declares for the older global JSX only. */
declare module "react" {
   
  namespace JSX {
    interface IntrinsicElements {
      "s-app-nav": { children?: ReactNode };
      "ui-save-bar": { id: string; discardConfirmation?: boolean; children?: ReactNode };
    }
  }
}
