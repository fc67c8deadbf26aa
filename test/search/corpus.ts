/** Texts, each with queries that must find it. */
export const corpus: ReadonlyArray<{ readonly text: string; readonly finds: ReadonlyArray<string> }> = [
  // Nothing is taken for a host, a file or an address.
  { text: "see you monday/wardrobe", finds: ["wardrobe", "monday", "monday/wardrobe", "you monday"] },
  { text: "thanks.wardrobe", finds: ["wardrobe", "thanks", "thanks.wardrobe"] },
  { text: "wardrobe.png", finds: ["wardrobe", "png", "wardrobe.png"] },
  { text: "src/wardrobe.ts", finds: ["wardrobe", "src", "wardrobe.ts", "src/wardrobe.ts"] },
  { text: "wardrobe@example.com", finds: ["wardrobe", "example", "example.com", "wardrobe@example.com"] },
  {
    text: "look https://www.youtube.com/watch?v=abc123&t=42#top",
    finds: ["youtube.com", "abc123", "youtube", "watch", "https://www.youtube.com/watch?v=abc123", "v=abc123", "top"]
  },
  { text: "C:\\Users\\wardrobe\\a_file-name.txt", finds: ["wardrobe", "file", "a_file-name", "name.txt"] },
  { text: "fix #4711 in v2.10.3, don't!", finds: ["4711", "#4711", "10.3", "v2.10", "don't", "don’t"] },
  // Punctuation of every kind.
  { text: "he said “wardrobe” and left", finds: ["wardrobe", '"said wardrobe"'] },
  { text: "wardrobe—yes", finds: ["wardrobe", "yes"] },
  { text: "«wardrobe»", finds: ["wardrobe", "«wardrobe»"] },
  { text: "wardrobe，ok", finds: ["wardrobe", "ok"] },
  { text: "wardrobe🎉", finds: ["wardrobe", "🎉"] },
  { text: "a\u00a0wardrobe\u00a0here\u2028there", finds: ["wardrobe", "here", "there"] },
  { text: "ward\u00adrobe \u202ebackwards", finds: ["wardrobe", "backwards"] },
  // Folding.
  { text: "un cafe\u0301 noir", finds: ["café", "cafe\u0301", "Cafe", "CAFÉ"] },
  { text: "un café noir", finds: ["café", "cafe\u0301", "Cafe", "CAFÉ"] },
  { text: "die Straße", finds: ["straße", "STRASSE", "strasse", "Straſſe"] },
  { text: "ﬁnal ｆｕｌｌ ①", finds: ["final", "full", "FULL", "1"] },
  { text: "İstanbul ISPARTA ılık", finds: ["istanbul", "İSTANBUL", "isparta", "ilik", "ILIK"] },
  { text: "Łódź, Đà Nẵng, Ærø", finds: ["lodz", "da nang", "aero"] },
  // Scripts.
  { text: "我家在上海东边。", finds: ["上海", "海", "我家在上海东边", "东边", "家在上"] },
  { text: "東京タワーへ行きました", finds: ["東京", "タワー", "行き", "京", "ﾀﾜｰ"] },
  { text: "ｶﾞｷﾞｸﾞ", finds: ["ガギ", "ギグ"] },
  { text: "나는 고등학교에서 공부한다", finds: ["학교", "고등학교", "공부", "교에서"] },
  { text: "나는 고등학교에서 공부한다".normalize("NFD"), finds: ["학교", "고등학교"] },
  { text: "ฉันกินข้าวที่บ้าน", finds: ["กินข้าว", "ข้าว", "บ้าน"] },
  { text: "ຂ້ອຍກິນເຂົ້າ", finds: ["ກິນ", "ເຂົ້າ"] },
  { text: "ខ្ញុំញ៉ាំបាយ", finds: ["បាយ"] },
  { text: "ကျွန်တော်ထမင်းစားတယ်", finds: ["ထမင်း"] },
  { text: "Καλημέρα, ο Οδυσσεύς", finds: ["καλημέρα", "ΚΑΛΗΜΈΡΑ", "καλημερα", "ΟΔΥΣΣΕΥΣ"] },
  { text: "До свидания, Ёлка", finds: ["свидания", "СВИДАНИЯ", "елка", "ЁЛКА"] },
  { text: "السَّلامُ عليكم", finds: ["السلام", "عليكم"] },
  { text: "שָׁלוֹם עולם", finds: ["שלום", "עולם"] },
  { text: "मुझे हिन्दी पसंद है", finds: ["हिन्दी", "पसंद"] },
  { text: "தமிழ் மொழி", finds: ["தமிழ்", "மொழி"] },
  { text: "用iPhone手机拍的abc", finds: ["iphone", "手机", "iPhone手机", "手机拍", "拍的abc"] },
  { text: "第3回 会議室B", finds: ["3回", "第3回", "会議室B", "会議"] },
  { text: "👩‍🚀 to the 🌕", finds: ["🌕", "👩‍🚀"] }
]
