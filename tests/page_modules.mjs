// Lets Node read the page's modules, whose imports have no endings, as bundlers take them.
import { registerHooks } from "node:module";

registerHooks({
  resolve: (name, context, next) =>
    next(context.parentURL?.endsWith(".ts") && name.startsWith(".") ? `${name}.ts` : name, context),
});
