import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import { appendFileSync, chownSync, mkdtempSync, rmdirSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const mount = () => {
  const folder = mkdtempSync(join(tmpdir(), "xfchat-disk-"))
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=32m", "none", folder], { stdio: "ignore" })
    return folder
  } catch {
    // Only root can mount, and not everywhere.
    rmdirSync(folder)
    return undefined
  }
}

const unmount = (folder: string) => {
  execFileSync("umount", [folder])
  rmdirSync(folder)
}

/** Whether a small disk can be mounted; tests that need one are skipped otherwise. */
export const hasDisk = (() => {
  const folder = mount()
  if (folder !== undefined) unmount(folder)
  return folder !== undefined
})()

/** A small disk that can be filled to its last byte and freed again. */
export const smallDisk = Effect.gen(function* () {
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mount() ?? ""),
    (folder) => Effect.sync(() => unmount(folder))
  )
  const filler = join(folder, "filler")
  return {
    /** Creates a folder with the owner of another. */
    folderFor: (other: string) =>
      Effect.sync(() => {
        const { gid, uid } = statSync(other)
        const inner = mkdtempSync(join(folder, "for-"))
        chownSync(inner, uid, gid)
        return inner
      }),
    fill: Effect.sync(() => {
      for (const size of [1_048_576, 4_096]) {
        try {
          for (;;) appendFileSync(filler, Buffer.alloc(size))
        } catch (error) {
          if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error
        }
      }
    }),
    free: Effect.sync(() => rmSync(filler))
  }
})
