// Sends a message and prints its answer: go run ./requester TEXT [QUEUE] [BROKER].
package main

import ("bytes"; "encoding/json"; "fmt"; "log"; "net/http"; "os"; "time")

func main() {
	args := append(os.Args[1:], []string{"World", "greetings", "http://127.0.0.1:4000"}[len(os.Args)-1:]...)
	sent, _ := json.Marshal(map[string]string{"message": args[0]})
	key := fmt.Sprint("go-", os.Getpid(), "-", time.Now().UnixNano()) // the same request again makes no second message
	for ; ; time.Sleep(time.Second) {
		asked, _ := http.NewRequest("POST", args[2]+"/queues/"+args[1]+"/messages", bytes.NewReader(sent))
		asked.Header.Set("Prefer", "wait=20")
		asked.Header.Set("Idempotency-Key", key)
		if token := os.Getenv("AMC_TOKEN"); token != "" { asked.Header.Set("Authorization", "Bearer "+token) }
		reply, err := http.DefaultClient.Do(asked)
		if err != nil { log.Print("waits for the broker: ", err); continue } // it is away, or restarts
		var message struct{ Message, Status, Detail string }
		json.NewDecoder(reply.Body).Decode(&message)
		reply.Body.Close()
		if reply.StatusCode >= 400 && reply.StatusCode != 429 && reply.StatusCode != 503 { log.Fatal(message.Detail) }
		if message.Status == "done" { fmt.Println(message.Message); return }
		if message.Status != "pending" && message.Status != "" { log.Fatal(message.Status) }
	}
}
