// gortsplib playing the clip in a loop: one ServerStream for all readers.
//
//	gortsplib-server -clip FILE -fps 30
//
// Prints its port; any path plays.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
)

const (
	port        = 18555
	udpPort     = 18556
	clockRate   = 90000
	queueFrames = 1024
)

type handler struct{ stream *gortsplib.ServerStream }

func (h *handler) OnDescribe(*gortsplib.ServerHandlerOnDescribeCtx) (*base.Response, *gortsplib.ServerStream, error) {
	return &base.Response{StatusCode: base.StatusOK}, h.stream, nil
}

func (h *handler) OnSetup(*gortsplib.ServerHandlerOnSetupCtx) (*base.Response, *gortsplib.ServerStream, error) {
	return &base.Response{StatusCode: base.StatusOK}, h.stream, nil
}

func (h *handler) OnPlay(*gortsplib.ServerHandlerOnPlayCtx) (*base.Response, error) {
	return &base.Response{StatusCode: base.StatusOK}, nil
}

// accessUnits cuts a byte stream with one slice a picture (ITU-T H.264 Annex B) into NAL units by picture.
func accessUnits(stream []byte) [][][]byte {
	var all [][][]byte
	var current [][]byte
	for _, part := range bytes.Split(stream, []byte{0, 0, 1}) {
		unit := bytes.TrimRight(part, "\x00")
		if len(unit) == 0 {
			continue
		}
		current = append(current, unit)
		if kind := unit[0] & 31; kind == 1 || kind == 5 {
			all = append(all, current)
			current = nil
		}
	}
	return all
}

func main() {
	clip := flag.String("clip", "", "H.264 byte stream")
	fps := flag.Float64("fps", 30, "frames a second")
	flag.Parse()
	stream, err := os.ReadFile(*clip)
	if err != nil {
		log.Fatal(err)
	}
	units := accessUnits(stream)

	h264 := &format.H264{PayloadTyp: 96, PacketizationMode: 1}
	media := &description.Media{Type: description.MediaTypeVideo, Formats: []format.Format{h264}}
	h := &handler{}
	server := &gortsplib.Server{
		Handler:        h,
		RTSPAddress:    fmt.Sprintf("127.0.0.1:%d", port),
		UDPRTPAddress:  fmt.Sprintf("127.0.0.1:%d", udpPort),
		UDPRTCPAddress: fmt.Sprintf("127.0.0.1:%d", udpPort+1),
		WriteQueueSize: queueFrames,
	}
	if err := server.Start(); err != nil {
		log.Fatal(err)
	}
	h.stream = gortsplib.NewServerStream(server, &description.Session{Medias: []*description.Media{media}})
	encoder, err := h264.CreateEncoder()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("port %d\n", port)

	start := time.Now()
	for slot := 0; ; slot++ {
		time.Sleep(time.Until(start.Add(time.Duration(float64(slot) / *fps * float64(time.Second)))))
		packets, err := encoder.Encode(units[slot%len(units)])
		if err != nil {
			log.Fatal(err)
		}
		for _, packet := range packets {
			packet.Timestamp = uint32(float64(slot) * clockRate / *fps)
			if err := h.stream.WritePacketRTP(media, packet); err != nil {
				log.Fatal(err)
			}
		}
	}
}
