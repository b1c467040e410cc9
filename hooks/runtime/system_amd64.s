#include "textflag.h"

// func systemCall(number, a, b, c, d, e, f uintptr) uintptr
TEXT ·systemCall(SB),NOSPLIT,$0-64
	MOVQ	number+0(FP), AX
	MOVQ	a+8(FP), DI
	MOVQ	b+16(FP), SI
	MOVQ	c+24(FP), DX
	MOVQ	d+32(FP), R10
	MOVQ	e+40(FP), R8
	MOVQ	f+48(FP), R9
	SYSCALL
	MOVQ	AX, ret+56(FP)
	RET

// func currentG() goroutineState
TEXT ·currentG(SB),NOSPLIT,$0-8
	MOVQ	(TLS), AX
	MOVQ	AX, ret+0(FP)
	RET

// func framePointer() uintptr
TEXT ·framePointer(SB),NOSPLIT|NOFRAME,$0-8
	MOVQ	BP, ret+0(FP)
	RET

// func image() (begin, end uintptr)
TEXT ·image(SB),NOSPLIT,$0-16
	LEAQ	runtime·text(SB), AX
	MOVQ	AX, begin+0(FP)
	LEAQ	runtime·end(SB), AX
	MOVQ	AX, end+8(FP)
	RET

// func store(word *uint64, value uint64)
TEXT ·store(SB),NOSPLIT,$0-16
	MOVQ	word+0(FP), BX
	MOVQ	value+8(FP), AX
	MOVQ	AX, (BX)
	RET

// func prefetch(address uintptr)
TEXT ·prefetch(SB),NOSPLIT,$0-8
	MOVQ	address+0(FP), AX
	BYTE $0x0f; BYTE $0x0d; BYTE $0x08             // PREFETCHW (AX), which the assembler does not know
	BYTE $0x0f; BYTE $0x0d; BYTE $0x48; BYTE $0x40 // PREFETCHW 64(AX)
	RET

// func ran(site *Site, event uint64)
TEXT ·ran(SB),NOSPLIT,$0-16
	MOVQ	site+0(FP), AX
	MOVQ	event+8(FP), BX
	BYTE $0x0f; BYTE $0x1f; BYTE $0x44; BYTE $0x00; BYTE $0x00 // a NOP of five bytes, the cheapest place for a probe
	RET

// func add(word *uint64, delta uint64) uint64
TEXT ·add(SB),NOSPLIT,$0-24
	MOVQ	word+0(FP), BX
	MOVQ	delta+8(FP), AX
	MOVQ	AX, CX
	LOCK
	XADDQ	AX, (BX)
	ADDQ	CX, AX
	MOVQ	AX, ret+16(FP)
	RET

// func swap(word *uint64, old, new uint64) bool
TEXT ·swap(SB),NOSPLIT,$0-25
	MOVQ	word+0(FP), BX
	MOVQ	old+8(FP), AX
	MOVQ	new+16(FP), CX
	LOCK
	CMPXCHGQ	CX, (BX)
	SETEQ	ret+24(FP)
	RET
