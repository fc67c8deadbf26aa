const sample = /^([\w:]+)(?:\{(.*)\})? (\S+)$/

/**
 * The metrics of several processes as one text for Prometheus, in which each sample has the label `process`. All samples of a
 * metric stand together below its head, as the format wants it.
 */
export const mergeMetrics = (texts: ReadonlyMap<number, string>): string => {
  const metrics = new Map<string, { readonly head: Array<string>; readonly samples: Array<string> }>()
  for (const [process, text] of texts) {
    let samples: Array<string> = []
    for (const line of text.split("\n")) {
      const [, kind, name = ""] = /^# (HELP|TYPE) (\S+)/.exec(line) ?? []
      if (kind === undefined) {
        const [, name = "", labels, value] = sample.exec(line) ?? []
        if (name !== "") samples.push(`${name}{process="${process}"${labels ? `,${labels}` : ""}} ${value}`)
        continue
      }
      let metric = metrics.get(name)
      if (metric === undefined) metrics.set(name, (metric = { head: [], samples: [] }))
      if (!metric.head.includes(line)) metric.head.push(line)
      samples = metric.samples
    }
  }
  return [...metrics.values()].map(({ head, samples }) => `${[...head, ...samples].join("\n")}\n`).join("")
}
