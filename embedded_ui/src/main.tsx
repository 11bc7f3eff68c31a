import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "@/app/App";
import "@/app/encore.css";

const root = document.getElementById("root");
if (root === null) throw new Error("The document has no #root to render Encore into.");
createRoot(root).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
