/** For tests of what stays in memory. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')

/** Collects everything that nothing leads to. */
export const collectGarbage = runInNewContext('gc') as () => void
