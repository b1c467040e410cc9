package inner

//line other.y:100
func lines(where func(string)) {
	where("line without column")
	func(int) { where("closure") }(1)
} //line ignored.y:7
/*line third.y:200:30*/ func lineOnly(func(string)) { withColumns(func() {}, 1) }

//line /absolute/fourth.y:300:1
func withColumns(func(), int) {
	panicking := func(int, string) (int, error) { return 1, nil }
	panicking(1, "")
} /*line :400:1*/
func afterInherited(_ int) {}

//line :500
func noFile(_, b int) int { return b }
