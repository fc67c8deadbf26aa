import { Layer } from "effect"
import { Search } from "./Search.ts"
import { SearchIndex } from "./SearchIndex.ts"

export const SearchLive = Search.layer.pipe(Layer.provideMerge(SearchIndex.layer))
