// Line 1
float broken(float x) {
    return x + undefined_name;
}
