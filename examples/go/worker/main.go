// Greets whoever a message of a queue names: go run ./worker [QUEUE] [BROKER]. SIGTERM ends it once it has answered.
package main
import ("bytes"; "context"; "encoding/json"; "fmt"; "log"; "net/http"; "os"; "os/signal"; "syscall"; "time")
type object = map[string]any
func receive(ctx context.Context, url string, body object, wait string) (told struct{ Deliveries []object }, err error) {
	sent, _ := json.Marshal(body)
	asked, _ := http.NewRequestWithContext(ctx, "POST", url, bytes.NewReader(sent))
	asked.Header.Set("Prefer", wait); if token := os.Getenv("AMC_TOKEN"); token != "" { asked.Header.Set("Authorization", "Bearer "+token) }
	reply, err := http.DefaultClient.Do(asked)
	if err != nil { return }; defer reply.Body.Close()
	if reply.StatusCode != 200 { return told, fmt.Errorf("the broker answers %s", reply.Status) }
	err = json.NewDecoder(reply.Body).Decode(&told)
	return
}
func handle(text string) (string, error) { return "Hello, " + text + "!", nil }
func main() {
	args := append(os.Args[1:], []string{"greetings", "http://127.0.0.1:4000"}[len(os.Args)-1:]...)
	me, url := fmt.Sprint("go-", os.Getpid(), "-", time.Now().UnixNano()), args[1]+"/queues/"+args[0]+"/receive"
	stopping, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	ctx, body, wait := stopping, object{"service": "greeter", "worker": me}, "wait=20"
	for ctx.Err() == nil {
		told, err := receive(ctx, url, body, wait) // one that is cut short loses nothing: its work is given to somebody else
		if err != nil { log.Print("waits for the broker: ", err); time.Sleep(time.Second); continue } // what was not told is told again
		ctx, body, wait = stopping, object{"service": "greeter", "worker": me}, "wait=20"
		for _, d := range told.Deliveries { // one, as long as "max" is not given; its outcome is told whatever happens
			ctx, wait = context.Background(), ""
			if text, failed := handle(d["message"].(string)); failed == nil { body["answers"] = []object{{"id": d["id"], "revision": d["revision"], "message": text, "done": true}}
			} else { body["failures"] = []object{{"id": d["id"], "revision": d["revision"], "claim": d["claim"], "error": failed.Error()}} }
			if stopping.Err() != nil { body["max"] = 0 } } }
}
