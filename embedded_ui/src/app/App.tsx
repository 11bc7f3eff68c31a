/** Encore's pages. */
export function App() {
  return <s-page heading="Encore" />;
}
