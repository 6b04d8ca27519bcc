import { Plugin } from "../src/index.js"; // in your own project: "@rosey-bot/plugin"

const plugin = new Plugin("greeter", {
  version: "1.0.0",
  description: "Greets people",
  settings: { greeting: { type: "string", default: "Hello", description: "what to say to people" } },
});

plugin.command("greet", { usage: "[NAME]", description: "greets you, or somebody else" }, async (c) => {
  const name = c.args[0] ?? c.user;
  const { times } = await c.db<{ times: number }>("greetings").change(name, { times: 0 }, (g) => {
    g.times++;
    c.reply(`👋 ${c.settings.greeting}, ${name}! (${g.times})`);
  });
  c.emit("greeted", { user: name, times });
});

await plugin.run();
