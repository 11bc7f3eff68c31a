/** Filled by build.mjs from Shopify's token and icon packages. */
declare module "virtual:tokens" {
  const css: string;
  export default css;
}
declare module "virtual:icons" {
  const bodies: Readonly<Record<string, string>>;
  export default bodies;
}
