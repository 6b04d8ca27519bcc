from rosey import Plugin

plugin = Plugin(
    "greeter",
    version="1.0.0",
    description="Greets people",
    settings={"greeting": {"type": "string", "default": "Hello", "description": "what to say to people"}},
)


@plugin.command("greet", usage="[NAME]", description="greets you, or somebody else")
async def greet(c):
    name = c.args[0] if c.args else c.user

    def count(g):
        g["times"] += 1
        c.reply(f"👋 {c.settings['greeting']}, {name}! ({g['times']})")

    greeting = await c.db("greetings").change(name, {"times": 0}, count)
    c.emit("greeted", user=name, times=greeting["times"])


plugin.run()
