/** Most people whom one message can mention. */
const maxMentions = 50

/** The usernames that a text calls as `@username`, in lower case, each once. */
export const mentionedNames = (content: unknown): ReadonlyArray<string> =>
  typeof content !== "string" || !content.includes("@")
    ? []
    : [
        ...new Set(
          Array.from(content.matchAll(/(?<![\w@])@([A-Za-z][A-Za-z0-9_]{2,29})\b/g), ([, name = ""]) =>
            name.toLowerCase()
          )
        )
      ].slice(0, maxMentions)
