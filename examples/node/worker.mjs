// Greets whoever a message of a queue names: node worker.mjs [QUEUE] [BROKER]. SIGTERM ends it once it has answered.
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'

const [queue = 'greetings', broker = 'http://127.0.0.1:4000'] = process.argv.slice(2)
const worker = randomUUID(), token = process.env.AMC_TOKEN ? { Authorization: `Bearer ${process.env.AMC_TOKEN}` } : {}
let stopping = false
let waiting = null // a request that brings nothing along is cut short: what was on its way is given to somebody else
process.on('SIGTERM', () => { stopping = true; waiting?.abort() })

async function receive(outcomes, wait) {
  const request = new AbortController(), timer = setTimeout(() => request.abort(), (wait + 10) * 1000)
  if (wait > 0) waiting = request
  const body = JSON.stringify({ service: 'greeter', worker, max: stopping ? 0 : 1, ...outcomes }), headers = { Prefer: `wait=${wait}`, ...token }
  const reply = await fetch(`${broker}/queues/${queue}/receive`, { method: 'POST', body, headers, signal: request.signal })
    .finally(() => { clearTimeout(timer); waiting = null })
  if (!reply.ok) throw new Error(await reply.text())
  return (await reply.json()).deliveries
}
const handle = async (text) => `Hello, ${text}!`

for (let outcomes = null; outcomes || !stopping;) {
  let deliveries
  try { deliveries = await receive(outcomes, outcomes ? 0 : 20) } // if that fails, it is told again
  catch (why) { if (!stopping || outcomes) { console.error('waits for the broker:', why.message); await sleep(1000) } continue }
  outcomes = deliveries.length ? { answers: [], failures: [] } : null
  for (const { id, revision, claim, message } of deliveries)
    await handle(message).then((text) => outcomes.answers.push({ id, revision, message: text, done: true }),
      (why) => outcomes.failures.push({ id, revision, claim, error: String(why) }))
}
